//! Materials: what a soft body is made of, and how surfaces rub.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// An isotropic Neo-Hookean material.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Mass density at rest, kg/m³; above 0. Default 1000, water: most soft tissue and rubber is near it.
    #[serde(default = "Material::default_density")]
    pub density_kg_m3: f32,
    /// Young's modulus, Pa; above 0. Required, since no value suits both jelly (1e4) and rubber (1e6).
    pub young_pa: f32,
    /// Poisson's ratio, 0 to 0.49. Default 0.4; at 0.5 a linear tetrahedron locks.
    #[serde(default = "Material::default_poisson")]
    pub poisson: f32,
    /// Rate at which velocities relative to the body's rigid motion decay, 1/s; 0 or more. Default 0.5.
    #[serde(default = "Material::default_damping")]
    pub damping_per_s: f32,
    /// Coulomb friction of the surface. Default 0.5.
    #[serde(default)]
    pub friction: Friction,
}

impl Material {
    fn default_density() -> f32 {
        1000.0
    }

    fn default_poisson() -> f32 {
        0.4
    }

    fn default_damping() -> f32 {
        0.5
    }
}

/// Coulomb friction coefficients, without unit. In a job file either one number for both, or `{static, dynamic}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Friction {
    /// `static` in the file: the ratio of tangential to normal force up to which a contact at rest holds.
    pub at_rest: f32,
    /// `dynamic` in the file: the same ratio while the contact slides; at most the static one.
    pub sliding: f32,
}

impl Friction {
    /// The same coefficient at rest and sliding.
    pub const fn uniform(coefficient: f32) -> Self {
        Self { at_rest: coefficient, sliding: coefficient }
    }
}

impl Default for Friction {
    fn default() -> Self {
        Self::uniform(0.5)
    }
}

/// The long form of [`Friction`] in a file.
#[derive(Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct FrictionPair {
    #[serde(rename = "static")]
    at_rest: f32,
    #[serde(rename = "dynamic")]
    sliding: f32,
}

impl Serialize for Friction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.at_rest == self.sliding {
            return serializer.serialize_f32(self.at_rest);
        }
        FrictionPair { at_rest: self.at_rest, sliding: self.sliding }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Friction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FrictionVisitor)
    }
}

struct FrictionVisitor;

impl<'de> Visitor<'de> for FrictionVisitor {
    type Value = Friction;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, or `{static: S, dynamic: D}`")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Friction, E> {
        Ok(Friction::uniform(value as f32))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Friction, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Friction, E> {
        self.visit_f64(value as f64)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Friction, A::Error> {
        let FrictionPair { at_rest, sliding } = FrictionPair::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Friction { at_rest, sliding })
    }
}

impl JsonSchema for Friction {
    fn schema_name() -> Cow<'static, str> {
        "Friction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let coefficient =
            |description: &str| json_schema!({ "type": "number", "minimum": 0, "description": description });
        json_schema!({
            "description": "Coulomb friction: one coefficient, or the static and the dynamic one.",
            "anyOf": [
                { "type": "number", "minimum": 0 },
                {
                    "type": "object",
                    "properties": {
                        "static": coefficient("Up to this ratio of tangential to normal force a contact at rest holds."),
                        "dynamic": coefficient("The same ratio while the contact slides; at most the static one."),
                    },
                    "required": ["static", "dynamic"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}
