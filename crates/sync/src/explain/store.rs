//! What stores of objects answer: the one table of their error codes, whoever asked them. Codes of the S3 API reference, of
//! MinIO, Azure Blob Storage and Google Cloud Storage.

use verisim_core::FailureKind;

/// What an answer of a store means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The key or token is wrong, or has expired.
    Credentials,
    /// The clocks differ.
    Clock,
    /// We are who we are, and may not.
    Forbidden,
    /// Somebody there keeps it as it is.
    Kept,
    /// It wants fewer requests.
    Slower,
    /// It failed, and may not the next time.
    Failing,
    /// It is full, or we have used up what is ours.
    Full,
    /// What arrived is not what was sent.
    Damaged,
    /// There is no such bucket.
    NoBucket,
    /// There is no such object.
    Absent,
    /// It is elsewhere: the region or the address is wrong.
    Elsewhere,
    /// It does not know how.
    Unknown,
    /// It takes no such request.
    Refused,
}

/// What each code means.
const CODES: [(Answer, &[&str]); 13] = [
    (
        Answer::Credentials,
        &[
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
            "Unauthorized",
            "InvalidClientTokenId",
            "ExpiredTokenException",
            "UnrecognizedClientException",
            "AuthFailure",
            "InvalidSecurity",
            "NotSignedUp",
            "MissingSecurityHeader",
            "MissingAuthenticationToken",
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "NoAuthenticationInformation",
            "authError",
            "invalid_grant",
            "UNAUTHENTICATED",
        ],
    ),
    (Answer::Clock, &["RequestTimeTooSkewed", "RequestExpired"]),
    (
        Answer::Forbidden,
        &[
            "AccessDenied",
            "AllAccessDisabled",
            "AccountProblem",
            "Forbidden",
            "UnauthorizedAccess",
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "AuthorizationSourceIPMismatch",
            "InsufficientAccountPermissions",
            "AccountIsDisabled",
            "AuthorizationProtocolMismatch",
            "AuthorizationResourceTypeMismatch",
            "AuthorizationServiceMismatch",
            "forbidden",
            "insufficientPermissions",
            "PERMISSION_DENIED",
        ],
    ),
    (
        Answer::Kept,
        &[
            "BlobArchived",
            "BlobBeingRehydrated",
            "BlobImmutableDueToPolicy",
            "ContainerDisabled",
            "InvalidObjectState",
            "LeaseAlreadyBroken",
            "LeaseAlreadyPresent",
            "LeaseIdMismatchWithBlobOperation",
            "LeaseIdMismatchWithContainerOperation",
            "LeaseIdMismatchWithLeaseOperation",
            "LeaseIdMissing",
            "LeaseIsBreakingAndCannotBeAcquired",
            "LeaseIsBreakingAndCannotBeChanged",
            "LeaseIsBrokenAndCannotBeRenewed",
            "LeaseLost",
            "LeaseNotPresentWithBlobOperation",
            "LeaseNotPresentWithContainerOperation",
            "LeaseNotPresentWithLeaseOperation",
            "ObjectLocked",
            "retentionPolicyNotMet",
        ],
    ),
    (
        Answer::Slower,
        &[
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "TooManyRequests",
            "TooManyRequestsException",
            "XMinioServerNotInitialized",
            "SlowDownRead",
            "SlowDownWrite",
            "ServerBusy",
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "RESOURCE_EXHAUSTED",
        ],
    ),
    (
        Answer::Failing,
        &[
            "InternalError",
            "ServiceUnavailable",
            "RequestTimeout",
            "OperationAborted",
            "IncompleteBody",
            "InternalFailure",
            "BadGateway",
            "GatewayTimeout",
            "OperationTimedOut",
            "AccountBeingCreated",
            "InvalidBlockList",
            "backendError",
            "UNAVAILABLE",
        ],
    ),
    (
        Answer::Full,
        &[
            "XMinioStorageFull",
            "QuotaExceeded",
            "XMinioAdminBucketQuotaExceeded",
            "InsufficientStorage",
            "InsufficientCapacity",
            "ServiceQuotaExceeded",
            "AccountBandwidthLimitExceeded",
            "quotaExceeded",
            "storageQuotaExceeded",
        ],
    ),
    (
        Answer::Damaged,
        &[
            "BadDigest",
            "XAmzContentSHA256Mismatch",
            "XAmzContentChecksumMismatch",
            "InvalidDigest",
            "Md5Mismatch",
            "Crc64Mismatch",
        ],
    ),
    (Answer::NoBucket, &["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted", "AccountNotFound"]),
    (
        Answer::Absent,
        &["NoSuchKey", "NotFound", "NoSuchUpload", "BlobNotFound", "ResourceNotFound", "notFound"],
    ),
    (
        Answer::Elsewhere,
        &[
            "PermanentRedirect",
            "TemporaryRedirect",
            "Redirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException",
            "MovedPermanently",
            "InvalidRegion",
            "AccountRequiresHttps",
        ],
    ),
    (Answer::Unknown, &["NotImplemented", "MethodNotAllowed", "FeatureNotSupported"]),
    (
        Answer::Refused,
        &[
            "InvalidBucketName",
            "EntityTooLarge",
            "EntityTooSmall",
            "InvalidArgument",
            "InvalidRequest",
            "MalformedXML",
            "KeyTooLongError",
            "MissingContentLength",
            "InvalidPart",
            "InvalidStorageClass",
            "BucketAlreadyExists",
            "BadRequest",
            "XMinioInvalidObjectName",
            "InvalidResourceName",
            "RequestBodyTooLarge",
            "InvalidBlobType",
            "InvalidHeaderValue",
            "InvalidQueryParameterValue",
            "InvalidUri",
            "MissingRequiredHeader",
            "OutOfRangeInput",
            "UnsupportedHeader",
            "invalid",
            "invalidParameter",
        ],
    ),
];

impl Answer {
    /// The kind of failure that it is.
    pub(crate) const fn kind(self) -> FailureKind {
        match self {
            Self::Credentials | Self::Clock => FailureKind::Auth,
            Self::Forbidden | Self::Kept => FailureKind::Denied,
            Self::Slower | Self::Failing => FailureKind::Network,
            Self::Full => FailureKind::NoSpace,
            Self::Damaged => FailureKind::HashMismatch,
            Self::NoBucket | Self::Absent => FailureKind::NotFound,
            Self::Elsewhere | Self::Refused => FailureKind::Config,
            Self::Unknown => FailureKind::Unsupported,
        }
    }

    /// What a code of a store means.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(answer, _)| *answer)
    }

    /// What a status of HTTP means that came without a code that anybody knows.
    #[cfg(any(test, feature = "object"))]
    pub(crate) const fn of_status(status: u16) -> Option<Self> {
        Some(match status {
            300..=399 => Self::Elsewhere,
            401 | 407 => Self::Credentials,
            403 | 423 | 451 => Self::Forbidden,
            404 | 410 => Self::Absent,
            405 | 501 => Self::Unknown,
            408 | 500 | 502 | 504 => Self::Failing,
            429 | 503 => Self::Slower,
            413 | 507 => Self::Full,
            400 | 411 | 414 | 422 => Self::Refused,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_more_than_its_status() {
        for (code, status, kind) in [
            ("RequestTimeTooSkewed", 403, FailureKind::Auth),
            ("ExpiredToken", 400, FailureKind::Auth),
            ("AccessDenied", 403, FailureKind::Denied),
            ("NoSuchBucket", 404, FailureKind::NotFound),
            ("XMinioStorageFull", 507, FailureKind::NoSpace),
            ("SlowDown", 503, FailureKind::Network),
            ("", 403, FailureKind::Denied),
            ("", 503, FailureKind::Network),
            ("", 301, FailureKind::Config),
            ("NobodyKnowsThis", 429, FailureKind::Network),
        ] {
            let found = Answer::of_code(code).or(Answer::of_status(status));
            assert_eq!(found.map(Answer::kind), Some(kind), "{code} {status}");
        }
        assert_eq!(Answer::of_status(299), None);
    }
}
