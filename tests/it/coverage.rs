//! Every call of `headwater.v1`, taken from its descriptor, is checked for the rules common to all calls: keys, tenants, wrong
//! fields, repeated requests, pages, errors. A method, a field or a name in a field without a case in `cases` fails, and the
//! failure names it.

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
