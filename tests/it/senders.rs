//! Every sender: the published vectors, the maps with their traps, the handshakes, and one real
//! request per preset.

mod docs;
mod envelope_wire;
mod envelopes;
mod maps;
mod own_events;
mod sns;
mod vectors;
mod wire;
