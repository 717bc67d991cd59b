use tonic::transport::Channel;
use tonic::{Code, Status};

/// Makes a call, and makes it again on a new channel if the server refuses the connection.
/// `open` is, for instance, `|| endpoint.connect_lazy()`.
pub async fn call<T>(
    channel: &mut Channel,
    open: impl Fn() -> Channel,
    call: impl AsyncFn(Channel) -> Result<T, Status>,
) -> Result<T, Status> {
    match call(channel.clone()).await {
        Err(status) if is_misdirected(&status) => {
            *channel = open();
            call(channel.clone()).await
        }
        answer => answer,
    }
}

/// Whether a server with this crate refused the call. Other calls with the code UNAVAILABLE
/// may have been processed.
fn is_misdirected(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message() == "misdirected request"
}
