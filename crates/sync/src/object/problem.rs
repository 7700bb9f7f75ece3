//! What an error of the store means for a job.

use std::error::Error as _;

use opendal_core::{Error, ErrorKind};
use verisim_core::{Effect, Failure, FailureKind};

use super::refusal::{Broken, Refusal};
use crate::explain::store::Answer;

/// The failure that an error is, before anything was sent. What is quoted is what we read ourselves, never the store's whole
/// answer or the request, which hold secrets.
pub(super) fn failed(operation: &'static str, doing: &str, error: &Error) -> Failure {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(refusal) = found.downcast_ref::<Refusal>() {
            return refused(operation, doing, refusal);
        }
        if let Some(broken) = found.downcast_ref::<Broken>() {
            return not_reached(operation, doing, broken);
        }
        if let Some(unsigned) = found.downcast_ref::<reqsign_core::Error>() {
            return without_credentials(operation, doing, unsigned);
        }
        cause = found.source();
    }
    let kind = match error.kind() {
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::PermissionDenied => FailureKind::Denied,
        ErrorKind::Unsupported => FailureKind::Unsupported,
        ErrorKind::RateLimited => FailureKind::Network,
        ErrorKind::ConfigInvalid | ErrorKind::NotADirectory | ErrorKind::IsADirectory => FailureKind::Config,
        _ => FailureKind::Unknown,
    };
    Failure::new(kind, operation, format_args!("{doing}: {}", error.message()))
}

/// The same in the middle of a push. That something is gone which was there a moment ago does not say why.
pub(super) fn changing(operation: &'static str, doing: &str, error: &Error) -> Failure {
    let mut failure = failed(operation, doing, error);
    if failure.kind == FailureKind::NotFound {
        failure.kind = FailureKind::Unknown;
    }
    failure.with_effect(Effect::Unknown)
}

fn refused(operation: &'static str, doing: &str, refusal: &Refusal) -> Failure {
    let answer = match refusal.is_of_bucket && refusal.status == 404 {
        true => Some(Answer::NoBucket),
        false => Answer::of_code(&refusal.code).or(Answer::of_status(refusal.status)),
    };
    let kind = match answer {
        // No job makes a bucket.
        Some(Answer::NoBucket) => FailureKind::Config,
        Some(answer) => answer.kind(),
        None => FailureKind::Unknown,
    };
    let waiting =
        refusal.retry_after.map(|after| format!("; it asks to be left alone for {} s", after.as_secs()));
    let region = refusal.region.as_ref().map(|region| format!("; it says that the bucket is in {region}"));
    let more = [waiting, region].into_iter().flatten().collect::<String>();
    let hint = answer.map_or("", hint);
    Failure::new(kind, operation, format_args!("{doing}: {refusal}{more}{hint}"))
}

const fn hint(answer: Answer) -> &'static str {
    match answer {
        Answer::Credentials => ": the credentials are wrong or have expired: renew them",
        Answer::Clock => ": the clocks differ: set this machine's clock (chrony)",
        Answer::Forbidden => ": let the key read, write, list and delete below the destination's folder",
        Answer::Kept => {
            ": somebody there keeps it as it is (a lease, a policy, an archive, a container that is off): end that"
        }
        Answer::Slower => ": the store asks for fewer requests: it is tried again later",
        Answer::NoBucket => ": make the bucket, or mend its name",
        Answer::Elsewhere => ": mend `region` or `endpoint` of the destination",
        Answer::Full => ": free some space there, or raise the quota; the job goes on by itself",
        Answer::Failing | Answer::Damaged | Answer::Absent | Answer::Unknown | Answer::Refused => "",
    }
}

fn not_reached(operation: &'static str, doing: &str, broken: &Broken) -> Failure {
    let (kind, hint) = match broken {
        Broken::NoSuchHost(_) => (FailureKind::Network, ": is `endpoint` right, and the name service up?"),
        Broken::Unreached(_) | Broken::Cut(_) | Broken::Silent => (FailureKind::Network, ""),
        Broken::Untrusted(_) => (
            FailureKind::Auth,
            ": name the authority that vouches for it with `authority`, or mend its certificate",
        ),
        Broken::TooMuch => (FailureKind::Unknown, ""),
        Broken::Stopped => (FailureKind::Cancelled, ""),
    };
    Failure::new(kind, operation, format_args!("{doing}: {broken}{hint}"))
}

fn without_credentials(operation: &'static str, doing: &str, unsigned: &reqsign_core::Error) -> Failure {
    let mut cause = unsigned.source();
    while let Some(found) = cause {
        // Whoever gives out tokens is another server, which may be away, or refuse, by itself.
        if let Some(broken) = found.downcast_ref::<Broken>() {
            return not_reached(operation, doing, broken);
        }
        if let Some(refusal) = found.downcast_ref::<Refusal>() {
            return refused(operation, doing, refusal);
        }
        cause = found.source();
    }
    let what = "there are no credentials that can be used: put them into the environment or a file that the \
                destination names, or give the machine a role";
    Failure::new(FailureKind::Auth, operation, format_args!("{doing}: {what}"))
}

/// What is not there is an answer.
pub(super) fn present<T>(result: opendal_core::Result<T>) -> opendal_core::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a store does not know a condition that a write had. What it refused it has not done.
pub(super) fn is_unknown_there(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(refusal) = found.downcast_ref::<Refusal>() {
            return refusal.status == 501 || refusal.code == "NotImplemented";
        }
        cause = found.source();
    }
    error.kind() == ErrorKind::Unsupported
}
