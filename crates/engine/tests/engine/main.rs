//! The engine under a clock that only moves when a test moves it.
#![cfg(test)]

mod activity;
mod breakers;
mod burn;
mod control;
mod crash;
mod destinations;
mod ends;
mod fleet;
mod planning;
mod roots;
mod sessions;
mod stage;
mod sync_jobs;
