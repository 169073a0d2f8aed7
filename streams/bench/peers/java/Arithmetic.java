import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** What arithmetic.py does, in Java: the same job, the same JSON in and out, sums in single precision. */
public final class Arithmetic {
    /** What is needed of an event. item: row of its vector. weight: that of its action. time: ms. */
    public static class Event {
        public String user;
        public int item;
        public float weight;
        public long time;
    }

    /** A user: time of the newest event (ms), number of events, sums (short, then long), when to publish (ms, or 0). */
    public static class State {
        public long time;
        public long count;
        public long due;
        public float[] sums;
    }

    private static final JsonFactory JSON = new JsonFactory();

    final String servers;
    final String input;
    final String output;
    final String group;
    final String home;
    final long intervalMs;
    final int dim;
    private final float[][] vectors;
    private final Map<String, Integer> rowOf = new HashMap<>();
    private final Map<String, Float> weights = new HashMap<>();
    private final float decay;
    private final double longRate;
    private final float share;

    /** The job in a JSON file, as `job` in __init__.py writes it. */
    Arithmetic(String file) {
        try {
            JsonNode job = new ObjectMapper().readTree(new File(file));
            servers = job.get("servers").asText();
            input = job.get("input").asText();
            output = job.get("output").asText();
            group = job.get("group").asText();
            home = job.get("home").asText();
            intervalMs = job.get("interval_ms").asLong();
            for (JsonNode item : job.get("items")) {
                rowOf.put(item.asText(), rowOf.size());
            }
            job.get("weights").properties().forEach(w -> weights.put(w.getKey(), w.getValue().floatValue()));
            decay = (float) Math.pow(2, -1 / job.get("short_events").asDouble());
            longRate = -Math.log(2) / (job.get("long_s").asDouble() * 1000);
            share = job.get("short_share").floatValue();
            vectors = matrix(Files.readAllBytes(Path.of(job.get("vectors").asText())), rowOf.size());
            dim = vectors[0].length;
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The rows of a float32 matrix in a file of numpy's, whose header says its own length. */
    private static float[][] matrix(byte[] file, int rows) {
        ByteBuffer all = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int begin = 10 + all.getShort(8);
        FloatBuffer values = all.position(begin).slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        float[][] found = new float[rows][values.capacity() / rows];
        for (float[] row : found) {
            values.get(row);
        }
        return found;
    }

    /** An event from its JSON. */
    Event event(byte[] value) throws IOException {
        Event event = new Event();
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "user_id" -> event.user = parser.getText();
                    case "item_id" -> event.item = rowOf.get(parser.getText());
                    case "action" -> event.weight = weights.get(parser.getText());
                    case "timestamp" -> event.time = parser.getLongValue();
                    default -> parser.skipChildren();
                }
            }
        }
        return event;
    }

    /** Of a user never seen. */
    State start() {
        State state = new State();
        state.sums = new float[2 * dim];
        return state;
    }

    /** Fold one event into the state, in place. */
    void move(State state, Event event) {
        float[] sums = state.sums;
        float[] vector = vectors[event.item];
        long since = state.count == 0 ? 0 : event.time - state.time;
        float fading = 1;
        float gain = event.weight;
        if (since >= 0) {
            fading = (float) Math.exp(since * longRate);
            state.time = event.time;
        } else { // late: it comes in with its own lateness decayed
            gain *= (float) Math.exp(-since * longRate);
        }
        for (int i = 0; i < dim; i++) {
            sums[i] = sums[i] * decay + event.weight * vector[i];
        }
        for (int i = 0; i < dim; i++) {
            sums[dim + i] = sums[dim + i] * fading + gain * vector[i];
        }
        state.count++;
    }

    /** The vector record of a user's state, as JSON. */
    byte[] record(String user, State state) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(128 + 6 * dim);
        try (JsonGenerator json = JSON.createGenerator(out, JsonEncoding.UTF8)) {
            json.writeStartObject();
            json.writeStringField("user_id", user);
            json.writeNumberField("count", state.count);
            json.writeNumberField("as_of", state.time);
            json.writeNumberField("dim", dim);
            json.writeBinaryField("vector", mixed(state.sums));
            json.writeEndObject();
        }
        return out.toByteArray();
    }

    /** Unit vector of the two directions, mixed: little-endian float32. */
    private byte[] mixed(float[] sums) {
        float first = perLength(sums, 0, dim, share);
        float second = perLength(sums, dim, 2 * dim, 1 - share);
        float[] found = new float[dim];
        for (int i = 0; i < dim; i++) {
            found[i] = first * sums[i] + second * sums[dim + i];
        }
        float scale = perLength(found, 0, dim, 1);
        for (int i = 0; i < dim; i++) {
            found[i] *= scale;
        }
        ByteBuffer bytes = ByteBuffer.allocate(4 * dim).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(found);
        return bytes.array();
    }

    /** share / length of a part of an array. Four sums, since one would wait for itself. */
    private static float perLength(float[] values, int begin, int end, float share) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        int i = begin;
        for (; i + 3 < end; i += 4) {
            a += values[i] * values[i];
            b += values[i + 1] * values[i + 1];
            c += values[i + 2] * values[i + 2];
            d += values[i + 3] * values[i + 3];
        }
        for (; i < end; i++) {
            a += values[i] * values[i];
        }
        float square = a + b + c + d;
        return square == 0 ? 0 : share / (float) Math.sqrt(square);
    }
}
