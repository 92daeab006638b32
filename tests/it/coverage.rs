//! Checks every call of `headwater.v1` for the rules that all calls share: keys, tenants, wrong fields, repeated requests, pages,
//! errors. The calls are taken from the descriptor. The test fails if a method, a field or a reference in a field has no case in
//! `cases`, and the failure names it.

mod api;
mod batch;
mod cases;
mod filters;
mod hostile;
mod isolation;
mod keys;
mod paging;
mod permissions;
mod reads;
mod replay;
mod spelling;
mod tolerance;
mod violations;
mod world;
