package dev.headwater.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.regex.Pattern;

/** Checks the settings of a connection, because gRPC's own errors for them come late or mislead. */
final class Connection {
    private static final Pattern HOST_AND_PORT = Pattern.compile("(\\[[^\\]]+\\]|[^:/]+):[0-9]+");
    private static final Pattern VISIBLE_ASCII = Pattern.compile("[!-~]+");

    private Connection() {}

    /** Returns the address. gRPC would take port 443 or 80 for an address without a port, and a URL for a target. */
    static String checkAddress(String address) {
        Objects.requireNonNull(address, "address");
        boolean isTarget = address.startsWith("unix:") || (address.contains("://") && !address.matches("https?://.*"));
        if (!isTarget && !HOST_AND_PORT.matcher(address).matches()) {
            throw new IllegalArgumentException(
                    "the address \"" + address + "\" is not host:port, such as headwater.internal:50051");
        }
        return address;
    }

    /** Returns the key without white space around it, such as the end of the line in a key file. */
    static String checkKey(String apiKey) {
        String key = Objects.requireNonNull(apiKey, "apiKey").strip();
        if (key.isEmpty()) {
            throw new IllegalArgumentException("the API key is empty");
        }
        if (!VISIBLE_ASCII.matcher(key).matches()) {
            // gRPC would log such a key and send none.
            throw new IllegalArgumentException("the API key has characters that no key has");
        }
        return key;
    }

    static void checkCertificates(Path file) throws IOException {
        // ISO-8859-1 has a character for every byte, so any file can be read.
        if (!Files.readString(file, StandardCharsets.ISO_8859_1).contains("-----BEGIN CERTIFICATE-----")) {
            throw new IOException("the file " + file + " has no certificate in PEM");
        }
    }
}
