//! A Mongoose OS for a workstation.
