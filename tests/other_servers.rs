//! The documented recipes for salvo, warp and poem. They are many crates, so they are tested apart: by
//! `.ci/recipes`.
#![cfg(recipes)]

mod pki;
mod wire;

#[path = "../src/guide/poem.rs"]
mod poem_recipe;
#[path = "../src/guide/salvo.rs"]
mod salvo_recipe;
#[path = "../src/guide/warp.rs"]
mod warp_recipe;

#[path = "other_servers/apps.rs"]
mod apps;
#[path = "other_servers/requests.rs"]
mod requests;
