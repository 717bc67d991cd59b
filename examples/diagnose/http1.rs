//! HTTP/1.1 with hyper, which limits the length of the head of an answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONNECTION, HOST};
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;

use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::observation::Ended;
use crate::response::{MAX_BODY, MAX_HEAD, Response};
use crate::watched::Watched;

pub struct Http1 {
    sender: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Http1 {
    pub async fn new(io: Watched) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let opened = builder.handshake(TokioIo::new(io)).await;
        let (sender, connection) = opened.map_err(|error| Failure::of(&error))?;
        Ok(Self {
            sender,
            connection: tokio::spawn(connection),
        })
    }

    /// Sends a request, and reads the answer until the deadline.
    pub async fn ask(
        &mut self,
        authority: &str,
        path: &PathAndQuery,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let request = Request::get(path.as_str())
            .header(HOST, authority)
            .body(Empty::new());
        let request = request.map_err(|error| Failure::of(&error))?;
        let response = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = deadline.answer(response).await?;
        let (head, mut body) = response.map_err(|error| Failure::of(&error))?.into_parts();
        let read = async {
            let mut left = MAX_BODY;
            while let Some(frame) = body.frame().await {
                let length = frame.ok()?.data_ref().map_or(0, Bytes::len);
                left = left.checked_sub(length)?;
            }
            Some(())
        };
        let whole = deadline.rest(read).await.flatten().is_some();
        let values = head.headers.get_all(CONNECTION).iter();
        let mut options = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let close = options.any(|option| option.trim().eq_ignore_ascii_case("close"));
        Ok(Response {
            ended: close.then_some(Ended::Close),
            reusable: whole && !close,
            status: head.status.as_u16(),
            headers: head.headers,
        })
    }

    /// Whether the server has ended the connection, or does within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Option<Ended> {
        if !self.connection.is_finished() {
            let _ = tokio::time::timeout(patience, &mut self.connection).await;
        }
        self.connection.is_finished().then_some(Ended::Eof)
    }
}

impl Drop for Http1 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
