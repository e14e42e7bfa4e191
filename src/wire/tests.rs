//! Packets from a server, legal and illegal, class by class; topics and strings against slow and
//! plain rules.
//!
//! Where a test holds a statement of the standard, its name begins with the statement's number;
//! docs/testing.md lists them. Properties over random input are in tests/wire_properties.rs.

mod received;
mod sent;
mod strings;
mod topics;
