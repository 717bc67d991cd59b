//! A session that collects the ClientHello, and then wraps quinn's session under the chosen configuration. The
//! handshake under that configuration lives in `handshake`.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError};

use super::alert::{INTERNAL_ERROR, alert};
use super::client_hello::ClientHello;
use super::handshake::{Handshake, MakesSessions};
use crate::handshake::Chooser;

/// The server side of one handshake.
pub(super) struct Session<Q> {
    /// Used before the ClientHello, for operations that need no secret (RFC 9001 §5.2, §5.8).
    initial: Arc<Q>,
    chooser: Chooser,
    version: u32,
    params: TransportParameters,
    state: State,
}

enum State {
    Collecting(ClientHello),
    Chosen(Handshake),
}

impl<Q> Session<Q> {
    pub(super) fn new(
        initial: Arc<Q>,
        chooser: Chooser,
        version: u32,
        params: TransportParameters,
    ) -> Self {
        Self {
            initial,
            chooser,
            version,
            params,
            state: State::Collecting(ClientHello::default()),
        }
    }

    fn chosen(&self) -> Option<&Handshake> {
        match &self.state {
            State::Collecting(_) => None,
            State::Chosen(handshake) => Some(handshake),
        }
    }

    fn chosen_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.state {
            State::Collecting(_) => None,
            State::Chosen(handshake) => Some(handshake),
        }
    }
}

impl<Q: MakesSessions> Session<Q> {
    fn read(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match &mut self.state {
            State::Chosen(handshake) => handshake.read(bytes, &self.chooser),
            State::Collecting(hello) => {
                let Some(hello) = hello.read(bytes)? else {
                    return Ok(false);
                };
                let client_hello = hello.accepted.client_hello();
                let (chooser, params) = (&self.chooser, &self.params);
                let mut handshake =
                    Handshake::start::<Q>(chooser, &client_hello, self.version, params)?;
                let ready = handshake.read(&hello.bytes, chooser)?;
                self.state = State::Chosen(handshake);
                Ok(ready)
            }
        }
    }
}

impl<Q: MakesSessions> crypto::Session for Session<Q> {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        debug_assert_eq!(side, Side::Server);
        match self.initial.initial_keys(self.version, dst_cid) {
            Ok(keys) => keys,
            // quinn starts no session for a version that `initial_keys` rejects.
            Err(UnsupportedVersion) => unreachable!(),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let handshake = self.chosen()?;
        handshake.session.handshake_data()?;
        Some(Box::new(handshake.data()))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.chosen()?.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.chosen()?.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.chosen()?.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.chosen()
            .is_none_or(|handshake| handshake.session.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        // User code runs here, such as a callback for failures. quinn holds the lock of the endpoint during the call,
        // so a panic would poison the lock, which ends all connections and can abort the process.
        let read = panic::catch_unwind(AssertUnwindSafe(|| self.read(bytes)));
        read.unwrap_or_else(|_| Err(alert(INTERNAL_ERROR)))
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        match self.chosen() {
            Some(handshake) => handshake.session.transport_parameters(),
            None => Ok(None),
        }
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        self.chosen_mut()?.write(buffer)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.chosen_mut()?.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        // Only clients receive Retry packets (RFC 9000 §17.2.5).
        false
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let handshake = self.chosen().ok_or(ExportKeyingMaterialError)?;
        handshake
            .session
            .export_keying_material(output, label, context)
    }
}
