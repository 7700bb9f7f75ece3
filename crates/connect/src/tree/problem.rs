//! A failure before it is known which connector's it is.

use verisim_core::{DecoyPath, Effect, Failure, FailureKind, NotRegular};
use verisim_sys::Error;

pub(crate) type Outcome<T> = Result<T, Problem>;

/// A failure before it is known which connector's it is.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: FailureKind,
    effect: Effect,
    detail: String,
    source: Option<Error>,
}

impl Problem {
    /// Before which nothing happened.
    pub(crate) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, effect: Effect::NotApplied, detail: detail.into(), source: None }
    }

    /// What the kernel said of `path`, before anything happened.
    pub(crate) fn at(path: &DecoyPath, error: Error) -> Self {
        let detail = format!("{path}: {error}");
        Self { kind: error.kind(), effect: Effect::NotApplied, detail, source: Some(error) }
    }

    /// For `map_err`: what the kernel said of `path` while the tree was being changed. That something is gone which was
    /// there a moment ago does not mean that the decoy is: it changes between two calls, and the next attempt sees.
    pub(crate) fn changing(path: &DecoyPath) -> impl Fn(Error) -> Self {
        move |error| {
            let mut problem = Self::at(path, error);
            if problem.kind == FailureKind::NotFound {
                problem.kind = FailureKind::Unknown;
            }
            problem
        }
    }

    pub(crate) fn with_effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// The same failure, once it is known what it really is.
    pub(crate) fn retold(mut self, kind: FailureKind, detail: String) -> Self {
        (self.kind, self.detail) = (kind, detail);
        self
    }

    /// The same for another effect of the batch that needed the same.
    pub(crate) fn repeated(&self) -> Self {
        Self { kind: self.kind, effect: self.effect, detail: self.detail.clone(), source: None }
    }

    pub(crate) const fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) const fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(crate) fn into_failure(self, operation: &'static str) -> Failure {
        let failure = Failure::new(self.kind, operation, self.detail).with_effect(self.effect);
        match self.source {
            Some(Error::NotRegular(kind)) => failure.with_source(NotRegular(kind)),
            Some(source) => failure.with_source(source),
            None => failure,
        }
    }
}
