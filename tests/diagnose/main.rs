//! The example `diagnose`: what it makes of observations, in tables, and the program against servers of this crate and
//! against servers that misbehave. Other servers with planted mistakes are tested elsewhere.

#[path = "../pki/mod.rs"]
mod pki;
#[path = "../program/mod.rs"]
mod program;
#[path = "../server/mod.rs"]
mod server;

// The parts of the example that open no connection.
#[path = "../../examples/diagnose/certificates.rs"]
mod certificates;
#[path = "../../examples/diagnose/crossings.rs"]
mod crossings;
#[path = "../../examples/diagnose/cures.rs"]
mod cures;
#[path = "../../examples/diagnose/findings.rs"]
mod findings;
#[path = "../../examples/diagnose/matrix.rs"]
mod matrix;
#[path = "../../examples/diagnose/observation.rs"]
mod observation;
#[path = "../../examples/diagnose/refusals.rs"]
mod refusals;
#[path = "../../examples/diagnose/software.rs"]
mod software;
#[path = "../../examples/diagnose/subject.rs"]
#[allow(dead_code, reason = "the connections need the rest")]
mod subject;
#[path = "../../examples/diagnose/text.rs"]
#[allow(dead_code, reason = "the connections need the rest")]
mod text;
#[path = "../../examples/diagnose/views.rs"]
mod views;

mod arguments;
mod bounds;
mod bounds_of_http3;
mod causes;

mod doubts;
mod output;
mod shared_connections;
mod sites;
mod table;
mod tool;
