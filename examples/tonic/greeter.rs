//! The gRPC service `example.Greeter`. tonic usually generates such code from a `.proto` file. This code is written by
//! hand, so that the example builds without protoc. Its messages are plain text.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut};
use http::Uri;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::{Grpc as Client, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tower::{Service, service_fn};

/// The server side, with the function that answers `Hello`.
#[derive(Clone)]
pub struct GreeterServer<F> {
    hello: F,
}

impl<F> GreeterServer<F> {
    pub fn new(hello: F) -> Self {
        Self { hello }
    }
}

impl<F> NamedService for GreeterServer<F> {
    const NAME: &'static str = "example.Greeter";
}

impl<F, Fut> Service<http::Request<Body>> for GreeterServer<F>
where
    F: Fn(Request<String>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<String>, Status>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let hello = self.hello.clone();
        Box::pin(async move {
            let answer = match request.uri().path() {
                "/example.Greeter/Hello" => {
                    let method = service_fn(hello);
                    Grpc::new(Text).unary(method, request).await
                }
                _ => Status::unimplemented("no such method").into_http(),
            };
            Ok(answer)
        })
    }
}

/// The client side.
pub struct GreeterClient<C = Channel> {
    grpc: Client<C>,
}

impl<C> GreeterClient<C>
where
    C: GrpcService<Body>,
    C::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <C::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub fn new(channel: C) -> Self {
        Self::with_origin(channel, Uri::default())
    }

    /// Sends requests with the scheme and the authority of this URI. A [`Channel`] has its own.
    pub fn with_origin(channel: C, origin: Uri) -> Self {
        let grpc = Client::with_origin(channel, origin);
        Self { grpc }
    }

    pub async fn hello(&mut self, name: &str) -> Result<String, Status> {
        let ready = self.grpc.ready().await;
        ready.map_err(|error| Status::from_error(error.into()))?;
        let path = PathAndQuery::from_static("/example.Greeter/Hello");
        let request = Request::new(name.to_owned());
        let response = self.grpc.unary(request, path, Text).await?;
        Ok(response.into_inner())
    }
}

/// Messages as text.
#[derive(Clone, Copy)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, message: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let message = from.copy_to_bytes(from.remaining());
        let message = String::from_utf8(message.into());
        let message = message.map_err(|_| Status::invalid_argument("the message is not UTF-8"))?;
        Ok(Some(message))
    }
}
