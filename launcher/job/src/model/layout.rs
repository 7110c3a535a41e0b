//! Where the bodies of a group start: layouts, orientations, colours.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Initial positions of the bodies of a group. Positions are those of the bodies' local origins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One body at each of these positions, in metres.
    At(Vec<[f32; 3]>),
    /// A regular grid, filled along x first, then z, then y.
    Grid(Grid),
    /// A column along y, from below.
    Stack(Stack),
    /// Uniformly random positions in a box, drawn from the job's seed.
    Random(Random),
}

impl Default for Layout {
    /// One body at the origin of the world.
    fn default() -> Self {
        Self::At(vec![[0.0; 3]])
    }
}

impl Layout {
    /// How many bodies this layout makes where the group gives no `count`.
    pub fn natural_count(&self) -> u64 {
        match self {
            Self::At(positions) => positions.len() as u64,
            Self::Grid(grid) => grid.cells.iter().map(|&n| u64::from(n)).fold(1, u64::saturating_mul),
            Self::Stack(_) | Self::Random(_) => 1,
        }
    }

    /// The most bodies this layout can hold; `None` where it has no bound of its own.
    pub fn capacity(&self) -> Option<u64> {
        match self {
            Self::At(_) | Self::Grid(_) => Some(self.natural_count()),
            Self::Stack(_) | Self::Random(_) => None,
        }
    }
}

/// A regular grid of positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Position of the first body, in metres. Default the world's origin.
    #[serde(default)]
    pub origin_m: [f32; 3],
    /// Distance between neighbours along x, y, z, in metres; above 0.
    pub spacing_m: [f32; 3],
    /// Number of places along x, y, z; each at least 1.
    pub cells: [u32; 3],
}

/// A column of bodies along y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Position of the lowest body, in metres. Default the world's origin.
    #[serde(default)]
    pub base_m: [f32; 3],
    /// Vertical distance between neighbours, in metres; above 0.
    pub spacing_m: f32,
}

/// Random positions in an axis-aligned box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// Lower corner of the box, in metres.
    pub min_m: [f32; 3],
    /// Upper corner of the box, in metres; not below `min_m` on any axis.
    pub max_m: [f32; 3],
    /// Least distance between two bodies of the group, in metres, so that they do not start inside each other. Default 0.
    #[serde(default)]
    pub separation_m: f32,
    /// Whether each body also gets a random orientation, after the group's `rotation`. Default no.
    #[serde(default)]
    pub random_rotation: bool,
}

/// An orientation: a turn about an axis through the local origin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Direction of the axis; any length but 0.
    pub axis: [f32; 3],
    /// Angle in degrees, counter-clockwise seen against the axis.
    pub degrees: f32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { axis: [0.0, 1.0, 0.0], degrees: 0.0 }
    }
}

/// A region of a soft body whose nodes never move. Coordinates are the body's own, at rest and after `scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// The nodes inside an axis-aligned box, its faces included.
    Box(PinBox),
}

/// The box of [`Pin::Box`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinBox {
    /// Lower corner in body coordinates, in metres.
    pub min_m: [f32; 3],
    /// Upper corner in body coordinates, in metres; not below `min_m` on any axis.
    pub max_m: [f32; 3],
}

/// A colour for pictures, red, green and blue from 0 to 255 (sRGB). In a job file `"#rrggbb"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ColourVisitor)
    }
}

struct ColourVisitor;

impl Visitor<'_> for ColourVisitor {
    type Value = Colour;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a colour such as \"#e07a5f\", in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Colour, E> {
        let bad = || E::invalid_value(de::Unexpected::Str(text), &self);
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6).ok_or_else(bad)?;
        let number =
            digits.bytes().try_fold(0u32, |n, c| Some(n << 4 | char::from(c).to_digit(16)?)).ok_or_else(bad)?;
        let [_, r, g, b] = number.to_be_bytes();
        Ok(Colour([r, g, b]))
    }
}

impl JsonSchema for Colour {
    fn schema_name() -> Cow<'static, str> {
        "Colour".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^#[0-9a-fA-F]{6}$", "description": "A colour, \"#rrggbb\"." })
    }
}
