//! The rootfs connector keeps the contract of its port.

mod common;

mod rootfs {
    verisim_testkit::connector_suite!(crate::common::DirectoryDecoy::fresh());
}

/// On a file system that knows no files without a name.
mod rootfs_with_named_staging {
    use verisim_connect::RootfsConnector;
    verisim_testkit::connector_suite!(crate::common::DirectoryDecoy::with(
        RootfsConnector::with_named_staging
    ));
}
