//! Tests of every sender: published vectors, maps with each sender's peculiarities, handshakes, and
//! one real request per preset.

mod docs;
mod envelope_wire;
mod envelopes;
mod fields;
mod maps;
mod own_events;
mod sns;
mod ticket_texts;
mod vectors;
mod wire;
