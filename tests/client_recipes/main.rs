//! W6: the documented recipes for clients that repeat a refused request, over real connections.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../server/mod.rs"]
mod server;

#[path = "../../src/guide/reqwest.rs"]
mod reqwest_recipe;

mod reqwest_0_12;
#[path = "reqwest_tests.rs"]
mod reqwest_tests;
mod site;

use reqwest_0_12::settings;
