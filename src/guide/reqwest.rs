use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Request, Response, StatusCode};

/// A client that repeats a request once, on a fresh connection, if the server answers 421.
#[derive(Clone)]
pub struct RepeatingClient {
    pooled: Client,
    fresh: Client,
}

impl RepeatingClient {
    /// Creates the client from a function that returns the same settings at each call.
    pub fn new(settings: impl Fn() -> ClientBuilder) -> reqwest::Result<Self> {
        // A redirect would hide which of two requests got the 421. The other one must not be
        // repeated.
        let settings = || settings().redirect(Policy::none());
        Ok(Self {
            pooled: settings().build()?,
            // A client without a pool opens a connection for every request.
            fresh: settings().pool_max_idle_per_host(0).build()?,
        })
    }

    /// Sends a request. If its body is a stream, a 421 is returned as it is.
    pub async fn execute(&self, request: Request) -> reqwest::Result<Response> {
        let repeat = request.try_clone(); // `None` for a stream
        let response = self.pooled.execute(request).await?;
        match repeat {
            Some(repeat) if response.status() == StatusCode::MISDIRECTED_REQUEST => {
                drop(response);
                self.fresh.execute(repeat).await
            }
            _ => Ok(response),
        }
    }
}
