//! W6: the documented recipes for clients that repeat a refused request, over real connections.

#[path = "../../examples/tonic/greeter.rs"]
mod greeter;
#[path = "../pki/mod.rs"]
mod pki;
#[path = "../server/mod.rs"]
mod server;

#[path = "../../src/guide/hyper_util.rs"]
mod hyper_util_recipe;
#[path = "../../src/guide/reqwest.rs"]
mod reqwest_recipe;
#[path = "../../src/guide/tonic_channel.rs"]
mod tonic_channel_recipe;
#[path = "../../src/guide/tonic_client.rs"]
mod tonic_client_recipe;

mod connector;
mod hyper_util_tests;
mod reqwest_0_12;
mod reqwest_tests;
mod site;
mod tonic_tests;

use reqwest_0_12::settings;
