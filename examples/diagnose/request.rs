//! The request for HTTP/2 and HTTP/3. `http1` writes the different form for HTTP/1.1.

use hyper::http::uri::PathAndQuery;
use hyper::{Request, Uri};

use crate::failure::Failure;

pub fn request(authority: &str, path: &PathAndQuery) -> Result<Request<()>, Failure> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(path.clone());
    let uri = uri.build().map_err(|error| Failure::of(&error))?;
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    Ok(request)
}
