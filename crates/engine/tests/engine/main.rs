//! The engine under a clock that only moves when a test moves it.
#![cfg(test)]

mod activity;
mod control;
mod crash;
mod stage;
