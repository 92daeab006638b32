//! One test for each operation of the systems that Headwater replaces, named after the operation's row in the documentation.

mod leads;
