//! `RepeatBody` for tonic's request body. The trait lives in `body`.

use http_body::Body as _;
use tonic::body::Body;

use super::body::RepeatBody;

impl RepeatBody for Body {
    fn repeat(&self) -> Option<Self> {
        self.is_end_stream().then(Self::empty)
    }
}
