//! HTTP/2 with h2, which distinguishes a GOAWAY from a connection that ends without one.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use h2::client::{Builder, SendRequest};
use hyper::http::uri::PathAndQuery;
use tokio::task::JoinHandle;

use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::observation::Ended;
use crate::request::request;
use crate::response::{MAX_BODY, MAX_HEAD, Response};
use crate::watched::Watched;

pub struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    pub async fn new(io: Watched) -> Result<Self, Failure> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .max_header_list_size(MAX_HEAD as u32);
        let opened = builder.handshake(io).await;
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
        let request = request(authority, path)?;
        let response = async {
            let mut sender = self.sender.clone().ready().await?;
            let (response, _) = sender.send_request(request, true)?;
            response.await
        };
        let response = deadline.answer(response).await?;
        let (head, mut body) = response.map_err(|error| Failure::of(&error))?.into_parts();
        let read = async {
            let mut left = MAX_BODY;
            while let Some(Ok(data)) = body.data().await {
                left = left.checked_sub(data.len())?;
                let _ = body.flow_control().release_capacity(data.len());
            }
            Some(())
        };
        // Dropping the rest of the body resets this stream alone.
        deadline.rest(read).await;
        Ok(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            ended: None,
            reusable: true,
        })
    }

    /// How the server has ended the connection, or ends it within `patience`.
    pub async fn ended(&mut self, patience: Duration) -> Option<Ended> {
        if !self.connection.is_finished() {
            let _ = tokio::time::timeout(patience, &mut self.connection).await;
        }
        let error = self.sender.clone().ready().now_or_never()?.err()?;
        Some(match error.is_go_away() && error.is_remote() {
            true => Ended::Goaway,
            false => Ended::Eof,
        })
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
