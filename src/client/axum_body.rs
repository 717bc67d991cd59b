//! `RepeatBody` for axum's request body. The trait lives in `body`.

use axum::body::Body;
use http_body::Body as _;

use super::body::RepeatBody;

impl RepeatBody for Body {
    fn repeat(&self) -> Option<Self> {
        self.is_end_stream().then(Self::empty)
    }
}
