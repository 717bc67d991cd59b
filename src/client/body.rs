//! The trait for request bodies that can be sent twice, implemented for types of http-body-util and the standard
//! library. The bodies of axum and tonic have separate files, and the closure for other types lives in `repeater`.

use bytes::Buf;
use http_body::Body;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{Either, Empty, Full};

/// A request body that the client can send twice.
///
/// Implemented for these types:
///
/// | type | can be repeated |
/// |---|---|
/// | [`Empty`] | always |
/// | [`Full`] | always; [`Bytes`](bytes::Bytes) are not copied |
/// | [`String`] | always; the text is copied |
/// | [`Either`], [`Box`] | if the inner body can be repeated |
/// | [`BoxBody`], [`UnsyncBoxBody`] | if the body is empty, because the inner type is unknown |
/// | `axum::body::Body`, with the feature `axum` | if the body is empty |
/// | `tonic::body::Body`, with the feature `tonic` | if the body is empty |
///
/// Implement it for your own body types. For a type of another crate, pass a closure to
/// [`repeat_bodies`](crate::client::RetryMisdirectedLayer::repeat_bodies).
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use bytes::Bytes;
/// use http_body::{Body, Frame};
/// use http_body_util::Full;
/// use tower_misdirected::client::RepeatBody;
///
/// /// A body, and how many of its octets were sent.
/// struct Metered {
///     body: Full<Bytes>,
///     sent: usize,
/// }
///
/// impl RepeatBody for Metered {
///     fn repeat(&self) -> Option<Self> {
///         let body = self.body.repeat()?;
///         Some(Metered { body, sent: 0 })
///     }
/// }
/// # impl Body for Metered {
/// #     type Data = Bytes;
/// #     type Error = std::convert::Infallible;
/// #     fn poll_frame(
/// #         mut self: Pin<&mut Self>,
/// #         cx: &mut Context<'_>,
/// #     ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
/// #         Pin::new(&mut self.body).poll_frame(cx)
/// #     }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "the layer does not know whether a body of type `{Self}` can be sent twice",
    label = "not a `RepeatBody`",
    note = "pass a closure to `RetryMisdirectedLayer::repeat_bodies`, such as `|_: &{Self}| None` for bodies that are \
            streams, or implement `RepeatBody` for `{Self}`",
    note = "for the bodies of axum and tonic, enable the feature `axum` or `tonic` of `tower-misdirected`"
)]
pub trait RepeatBody: Sized {
    /// Returns a body with the same content, or `None` if the body cannot be sent twice. The layer calls this method
    /// before anything of the body has been sent.
    fn repeat(&self) -> Option<Self>;
}

impl<D> RepeatBody for Empty<D> {
    fn repeat(&self) -> Option<Self> {
        Some(Self::new())
    }
}

impl<D: Clone> RepeatBody for Full<D> {
    fn repeat(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl RepeatBody for String {
    fn repeat(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<L: RepeatBody, R: RepeatBody> RepeatBody for Either<L, R> {
    fn repeat(&self) -> Option<Self> {
        match self {
            Self::Left(body) => body.repeat().map(Self::Left),
            Self::Right(body) => body.repeat().map(Self::Right),
        }
    }
}

impl<B: RepeatBody> RepeatBody for Box<B> {
    fn repeat(&self) -> Option<Self> {
        (**self).repeat().map(Self::new)
    }
}

impl<D: Buf + 'static, E> RepeatBody for BoxBody<D, E> {
    fn repeat(&self) -> Option<Self> {
        self.is_end_stream().then(Self::default)
    }
}

impl<D: Buf + 'static, E> RepeatBody for UnsyncBoxBody<D, E> {
    fn repeat(&self) -> Option<Self> {
        self.is_end_stream().then(Self::default)
    }
}
