//! The connections of the server and the HTTP on them: how many there may be, how long each may stand still, and what a stalled
//! reader may hold. Knows nothing of gRPC, of keys and of methods.

pub mod answer;
pub mod connections;
mod first_bytes;
pub mod gathered;
pub mod http1;
mod http2;
pub mod lane;
mod pace;
pub mod request;
pub mod serve;
pub mod stream;
