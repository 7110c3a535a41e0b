//! One PhysX scene and its actors.
//!
//! Invariants: bodies are numbered in the order they were added, and the number is the actor's `userData`; nothing is
//! added after the first step; PhysX works on the calling thread only (a dispatcher without threads).

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};

use physx_sys as px;

use super::foundation::{Physics, Report, construction, failures, pin_float_environment, watch};
use super::shape::{Shape, array, from_px, to_px, vector};
use crate::rigid::{MassProperties, Pose, RigidState};

/// What PhysX is told of a body besides its shape.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// Moved by PhysX; kg/m³.
    Dynamic(f32),
    /// Moved by its targets.
    Kinematic,
}

/// A scene with its actors.
#[derive(Debug)]
pub struct Scene {
    physics: &'static Physics,
    scene: NonNull<px::PxScene>,
    dispatcher: NonNull<px::PxDefaultCpuDispatcher>,
    statics: Vec<NonNull<px::PxRigidStatic>>,
    bodies: Vec<NonNull<px::PxRigidDynamic>>,
}

// SAFETY: PhysX objects have no thread affinity, and every call that changes the scene takes `&mut self`.
unsafe impl Send for Scene {}
// SAFETY: `&self` methods are PhysX read calls, which PhysX allows from several threads at once while no write call
// runs (`&mut self` excludes those); the lazy update of the query trees that a read may start is locked inside PhysX.
unsafe impl Sync for Scene {}

/// Four times PhysX's default. A stack of ten boxes sways by 0.63 m with 4, 0.18 m with 8, 0.07 m with 16 (TGS reaches
/// that with 4); a step of a thousand boxes costs about a quarter more than with 4.
const POSITION_ITERATIONS: u32 = 16;
/// PhysX's default.
const VELOCITY_ITERATIONS: u32 = 1;

/// Bodies that a query returns without touching the heap.
const STACK_HITS: usize = 64;

impl Scene {
    /// An empty scene with enhanced determinism, so that the bits of an island do not depend on its company. The
    /// solver is PGS for the same reason: with TGS, islands were seen to change when others joined the scene.
    pub fn new(physics: &'static Physics, gravity: [f32; 3]) -> Result<Self, Vec<Report>> {
        let _making = construction();
        let (made, reports) = watch(|| {
            // SAFETY: the description starts from PhysX's defaults and names live objects; the dispatcher outlives
            // the scene (see `drop`).
            unsafe {
                let wait = px::PxDefaultCpuDispatcherWaitForWorkMode::WaitForWork;
                let dispatcher = NonNull::new(px::phys_PxDefaultCpuDispatcherCreate(0, null_mut(), wait, 0))?;
                let mut desc = px::PxSceneDesc_new(physics.tolerances());
                desc.gravity = vector(gravity);
                desc.cpuDispatcher = dispatcher.as_ptr().cast();
                desc.filterShader = px::get_default_simulation_filter_shader();
                desc.solverType = px::PxSolverType::Pgs;
                desc.flags |= px::PxSceneFlags::EnableEnhancedDeterminism | px::PxSceneFlags::EnablePcm;
                let scene = NonNull::new(px::PxPhysics_createScene_mut(physics.as_ptr(), &desc));
                if scene.is_none() {
                    px::PxDefaultCpuDispatcher_release_mut(dispatcher.as_ptr());
                }
                Some((scene?, dispatcher))
            }
        });
        let (scene, dispatcher) = made.ok_or(reports)?;
        Ok(Scene { physics, scene, dispatcher, statics: Vec::new(), bodies: Vec::new() })
    }

    /// Adds something that never moves.
    pub fn add_static(&mut self, shape: &Shape, pose: &Pose) -> Result<(), Vec<Report>> {
        let _making = construction();
        let (actor, reports) = watch(|| {
            // SAFETY: all objects are alive; the actor takes its own reference to the shape.
            unsafe {
                let actor = px::PxPhysics_createRigidStatic_mut(self.physics.as_ptr(), &to_px(pose));
                self.insert(actor.cast(), shape).then_some(actor)
            }
        });
        self.statics.push(actor.and_then(NonNull::new).ok_or(reports)?);
        Ok(())
    }

    /// Adds the next body, in the given state.
    pub fn add_body(&mut self, shape: &Shape, body: Body, state: &RigidState) -> Result<(), Vec<Report>> {
        let _making = construction();
        let (actor, reports) = watch(|| {
            // SAFETY: all objects are alive; velocities, sleep and wake counter are set as PhysX allows: velocities
            // on dynamic bodies only, sleep and wake counter once the body is in a scene.
            unsafe {
                let actor = px::PxPhysics_createRigidDynamic_mut(self.physics.as_ptr(), &to_px(&state.pose));
                if actor.is_null() {
                    return None;
                }
                (*actor).userData = self.bodies.len() as *mut c_void;
                match body {
                    Body::Kinematic => {
                        px::PxRigidBody_setRigidBodyFlag_mut(actor.cast(), px::PxRigidBodyFlag::Kinematic, true);
                        self.insert(actor.cast(), shape).then_some(actor)
                    }
                    Body::Dynamic(density) => {
                        px::PxRigidDynamic_setLinearVelocity_mut(actor, &vector(state.linear), false);
                        px::PxRigidDynamic_setAngularVelocity_mut(actor, &vector(state.angular), false);
                        px::PxRigidDynamic_setSolverIterationCounts_mut(
                            actor,
                            POSITION_ITERATIONS,
                            VELOCITY_ITERATIONS,
                        );
                        let inserted = self.insert_dynamic(actor, shape, density);
                        if inserted && state.asleep {
                            px::PxRigidDynamic_putToSleep_mut(actor);
                        } else if inserted {
                            px::PxRigidDynamic_setWakeCounter_mut(actor, state.wake_counter);
                        }
                        inserted.then_some(actor)
                    }
                }
            }
        });
        self.bodies.push(actor.and_then(NonNull::new).ok_or(reports)?);
        Ok(())
    }

    /// Attaches the shape and inserts the actor, or releases it.
    ///
    /// # Safety
    /// `actor` is null or a live actor in no scene that nothing else will release.
    unsafe fn insert(&self, actor: *mut px::PxRigidActor, shape: &Shape) -> bool {
        if actor.is_null() {
            return false;
        }
        // SAFETY: the actor is alive by contract; on failure nothing refers to it after its release.
        unsafe {
            let done = px::PxRigidActor_attachShape_mut(actor, shape.as_ptr())
                && px::PxScene_addActor_mut(self.scene.as_ptr(), actor.cast(), std::ptr::null());
            if !done {
                px::PxRigidActor_release_mut(actor);
            }
            done
        }
    }

    /// As [`insert`](Self::insert), with mass and inertia from the shape before the scene sees the body.
    ///
    /// # Safety
    /// As for [`insert`](Self::insert), and not null.
    unsafe fn insert_dynamic(&self, actor: *mut px::PxRigidDynamic, shape: &Shape, density: f32) -> bool {
        // SAFETY: the actor is alive by contract. The shape must hang on it while PhysX sums the inertia.
        unsafe {
            let done = px::PxRigidActor_attachShape_mut(actor.cast(), shape.as_ptr())
                && px::PxRigidBodyExt_updateMassAndInertia_1(actor.cast(), density, std::ptr::null(), false)
                && px::PxScene_addActor_mut(self.scene.as_ptr(), actor.cast(), std::ptr::null());
            if !done {
                px::PxRigidActor_release_mut(actor.cast());
            }
            done
        }
    }

    /// Mass and inertia of a dynamic body.
    pub fn mass_properties(&self, body: usize) -> MassProperties {
        let actor = self.bodies[body].as_ptr().cast();
        // SAFETY: the actor is alive; these calls only read.
        unsafe {
            MassProperties {
                inv_mass: px::PxRigidBody_getInvMass(actor),
                inv_inertia: array(&px::PxRigidBody_getMassSpaceInvInertiaTensor(actor)),
                mass_pose: from_px(&px::PxRigidBody_getCMassLocalPose(actor)),
            }
        }
    }

    /// Reads a body into `state`. Of a body that slept before and sleeps now, nothing is read.
    pub fn read(&self, body: usize, kinematic: bool, state: &mut RigidState) {
        let actor = self.bodies[body].as_ptr();
        // SAFETY: the actor is alive; these calls only read.
        unsafe {
            let asleep = !kinematic && px::PxRigidDynamic_isSleeping(actor);
            if asleep && state.asleep {
                return;
            }
            *state = RigidState {
                pose: from_px(&px::PxRigidActor_getGlobalPose(actor.cast())),
                linear: array(&px::PxRigidBody_getLinearVelocity(actor.cast())),
                angular: array(&px::PxRigidBody_getAngularVelocity(actor.cast())),
                wake_counter: if kinematic { 0.0 } else { px::PxRigidDynamic_getWakeCounter(actor) },
                asleep,
            };
        }
    }

    /// Sets the velocity of a dynamic body, and returns its wake counter after that. With `wake`, the body wakes and
    /// its rest starts anew; without it, an awake body's rest runs on.
    pub fn set_velocity(&mut self, body: usize, linear: [f32; 3], angular: [f32; 3], wake: bool) -> f32 {
        let actor = self.bodies[body].as_ptr();
        // SAFETY: the actor is alive, dynamic (the caller's check) and not being stepped (`&mut self`).
        unsafe {
            px::PxRigidDynamic_setLinearVelocity_mut(actor, &vector(linear), wake);
            px::PxRigidDynamic_setAngularVelocity_mut(actor, &vector(angular), wake);
            px::PxRigidDynamic_getWakeCounter(actor)
        }
    }

    /// Where a kinematic body is to be at the end of the next step.
    pub fn set_target(&mut self, body: usize, pose: &Pose) {
        // SAFETY: the actor is alive, kinematic (the caller's check) and not being stepped (`&mut self`).
        unsafe { px::PxRigidDynamic_setKinematicTarget_mut(self.bodies[body].as_ptr(), &to_px(pose)) }
    }

    /// One step of `dt` seconds, complete on return.
    pub fn step(&mut self, dt: f32) -> Result<(), String> {
        let ((done, error), reports) = watch(|| {
            // SAFETY: the scene is alive and not being stepped (`&mut self`); no callback refers to anything of ours.
            unsafe {
                let started = px::PxScene_simulate_mut(self.scene.as_ptr(), dt, null_mut(), null_mut(), 0, true);
                let mut error = 0;
                let done = started && px::PxScene_fetchResults_mut(self.scene.as_ptr(), true, &mut error);
                (done, error)
            }
        });
        if done && error == 0 && !reports.iter().any(|r| r.failure) {
            return Ok(());
        }
        Err(format!(" (error state {error}){}", failures(&reports)))
    }

    /// Appends the numbers of the bodies that meet the box, in no order. Statics are left out.
    pub fn overlap(&self, centre: [f32; 3], half: [f32; 3], out: &mut Vec<u32>) {
        let mut near = [const { MaybeUninit::<px::PxOverlapHit>::uninit() }; STACK_HITS];
        let found = self.query(centre, half, &mut near);
        if found < STACK_HITS {
            // SAFETY: the first `found` hits were written.
            out.extend(near[..found].iter().map(|h| unsafe { body_number(h) }));
            return;
        }
        // A body has one shape, so it is hit at most once; one more place than bodies tells "all" from "full".
        let mut all = Vec::new();
        all.resize_with(self.bodies.len() + 1, MaybeUninit::uninit);
        let found = self.query(centre, half, &mut all);
        assert!(found < all.len(), "more hits than bodies");
        // SAFETY: the first `found` hits were written.
        out.extend(all[..found].iter().map(|h| unsafe { body_number(h) }));
    }

    /// Fills `hits` from the front and returns how many were written: all of them, if fewer than there is room for.
    fn query(&self, centre: [f32; 3], half: [f32; 3], hits: &mut [MaybeUninit<px::PxOverlapHit>]) -> usize {
        let room = u32::try_from(hits.len()).unwrap_or(u32::MAX);
        // SAFETY: the scene is alive and no write call runs (`&self`); PhysX writes at most `room` hits from the
        // front; the geometry, pose and filter live on this stack frame.
        let found = unsafe {
            let geometry = px::PxBoxGeometry_new(half[0], half[1], half[2]);
            let filter = px::PxQueryFilterData_new_2(px::PxQueryFlags::Dynamic | px::PxQueryFlags::NoBlock);
            px::PxSceneQueryExt_overlapMultiple(
                self.scene.as_ptr(),
                (&raw const geometry).cast(),
                &to_px(&Pose::at(centre)),
                hits.as_mut_ptr().cast(),
                room,
                &filter,
                null_mut(),
            )
        };
        pin_float_environment();
        usize::try_from(found).unwrap_or(hits.len())
    }
}

/// # Safety
/// `hit` was written by an overlap query over a scene whose actors are alive.
unsafe fn body_number(hit: &MaybeUninit<px::PxOverlapHit>) -> u32 {
    // SAFETY: written, by contract; every actor of the scene starts with the fields of `PxActor`, and the query
    // returns dynamic actors only, whose `userData` is their number.
    unsafe {
        let actor: *const px::PxActor = hit.assume_init_ref().actor.cast();
        (*actor).userData as usize as u32
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _making = construction();
        // SAFETY: each object is ours and released once, actors before their scene, the scene before its dispatcher.
        // PhysX may switch the floating-point environment meanwhile, so it is pinned afterwards.
        unsafe {
            for body in self.bodies.drain(..) {
                px::PxRigidActor_release_mut(body.as_ptr().cast());
            }
            for fixed in self.statics.drain(..) {
                px::PxRigidActor_release_mut(fixed.as_ptr().cast());
            }
            px::PxScene_release_mut(self.scene.as_ptr());
            px::PxDefaultCpuDispatcher_release_mut(self.dispatcher.as_ptr());
        }
        pin_float_environment();
    }
}
