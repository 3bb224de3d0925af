// A decoder of messages: type (1 byte), length (2 bytes, big-endian), payload.
// One function believes the length that the sender wrote. The other is how it should have been.

#include <stddef.h>
#include <stdint.h>

// Mirrored in lib.rs.
struct session {
    uint64_t messages;
    uint64_t bytes;
    uint8_t last[64]; // payload of the last message
};

static size_t length_of(const uint8_t *message) {
    return (size_t)message[1] << 8 | message[2];
}

static void take(struct session *session, const uint8_t *message, size_t length) {
    session->messages++;
    session->bytes += length;
    for (size_t i = 0; i < length; i++)
        session->last[i] = message[3 + i];
}

int64_t decoder_receive(struct session *session, const uint8_t *message) {
    size_t length = length_of(message);
    take(session, message, length); // up to 65535 bytes into 64
    return (int64_t)length;
}

int64_t decoder_receive_fixed(struct session *session, const uint8_t *message, size_t received) {
    if (received < 3)
        return -1;
    size_t length = length_of(message);
    if (length > received - 3 || length > sizeof session->last)
        return -1;
    take(session, message, length);
    return (int64_t)length;
}
