//! JPKI card simulator.
