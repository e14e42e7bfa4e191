//! The mqtt library of Mongoose OS.
#![no_std]
