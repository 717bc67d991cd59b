//! Finds the connection info in a request. The integrations insert it.

use http::Extensions;

use super::info::ConnectionInfo;

/// Returns the connection info of a request: the extension of this crate, else axum's `ConnectInfo`, else axum's
/// `MockConnectInfo`.
#[inline]
pub(crate) fn connection_info(extensions: &Extensions) -> Option<&ConnectionInfo> {
    let own = extensions.get::<ConnectionInfo>();
    #[cfg(feature = "axum")]
    let own = own.or_else(|| axums(extensions));
    own
}

#[cfg(feature = "axum")]
#[inline]
fn axums(extensions: &Extensions) -> Option<&ConnectionInfo> {
    use ::axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    match extensions.get::<ConnectInfo<ConnectionInfo>>() {
        Some(ConnectInfo(info)) => Some(info),
        None => {
            let mock = extensions.get::<MockConnectInfo<ConnectionInfo>>();
            mock.map(|MockConnectInfo(info)| info)
        }
    }
}
