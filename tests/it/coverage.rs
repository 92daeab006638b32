//! Every call of `headwater.v1`, taken from its descriptor, against what holds for all of them: keys, tenants, wrong fields, repeated
//! requests, pages, errors. A method, a field or a name in a field that has no case in `cases` fails by its name.

mod api;
mod batch;
mod cases;
mod hostile;
mod isolation;
mod keys;
mod paging;
mod permissions;
mod replay;
mod violations;
mod world;
