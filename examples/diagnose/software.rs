//! The servers for which the cures contain settings.

/// Servers that a response head can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    Nginx,
    Httpd,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
    TowerMisdirected,
}

impl Software {
    pub const ALL: [Self; 7] = [
        Self::Nginx,
        Self::Httpd,
        Self::Caddy,
        Self::Haproxy,
        Self::Traefik,
        Self::Envoy,
        Self::TowerMisdirected,
    ];

    /// The servers that these values of `Server` and `Via` name. Most servers of this crate name none.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a String>) -> Vec<Self> {
        let mut named = Vec::new();
        for value in values {
            let value = value.to_ascii_lowercase();
            let known = Self::ALL
                .into_iter()
                .find(|software| value.contains(software.token()));
            named.extend(known.filter(|software| !named.contains(software)));
        }
        named
    }

    /// What `Server` or `Via` has of it, in lower case.
    fn token(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Httpd => "apache",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::TowerMisdirected => "tower-misdirected",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Httpd => "Apache httpd",
            Self::Caddy => "Caddy",
            Self::Haproxy => "HAProxy",
            Self::Traefik => "Traefik",
            Self::Envoy => "Envoy",
            Self::TowerMisdirected => "tower-misdirected",
        }
    }
}
