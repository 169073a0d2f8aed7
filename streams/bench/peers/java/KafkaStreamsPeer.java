import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashSet;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: a processor with a cached store in RocksDB and its changelog. Argument: the job's file. */
public final class KafkaStreamsPeer {
    private static final String STORE = "interest";

    public static void main(String[] arguments) {
        Arithmetic job = new Arithmetic(arguments[0]);
        KafkaStreams streams = new KafkaStreams(topology(job), properties(job));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static Topology topology(Arithmetic job) {
        var store = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(STORE), Serdes.String(), states(job));
        return new Topology()
                .addSource("events", new ByteArrayDeserializer(), new ByteArrayDeserializer(), job.input)
                .addProcessor("update", () -> new Update(job), "events")
                .addStateStore(store.withCachingEnabled(), "update")
                .addSink("vectors", job.output, new ByteArraySerializer(), new ByteArraySerializer(), "update");
    }

    private static Properties properties(Arithmetic job) {
        Properties chosen = new Properties();
        chosen.put(StreamsConfig.APPLICATION_ID_CONFIG, job.group);
        chosen.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.servers);
        chosen.put(StreamsConfig.STATE_DIR_CONFIG, job.home);
        chosen.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        chosen.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        // All states fit, and go to RocksDB and to the changelog once per commit; its default is 10 MB.
        chosen.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        chosen.put(StreamsConfig.consumerPrefix("max.poll.records"), 4000);
        // It is paused while its topic is filled.
        chosen.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 600_000);
        // It lingers for 100 ms by itself, which costs least.
        chosen.put(StreamsConfig.producerPrefix("batch.size"), 1_000_000);
        return chosen;
    }

    /** A state as bytes: three longs, then the sums. */
    private static Serde<Arithmetic.State> states(Arithmetic job) {
        return Serdes.serdeFrom(
                (topic, state) -> {
                    ByteBuffer bytes = ByteBuffer.allocate(24 + 4 * state.sums.length);
                    bytes.putLong(state.time).putLong(state.count).putLong(state.due);
                    bytes.asFloatBuffer().put(state.sums);
                    return bytes.array();
                },
                (topic, data) -> {
                    ByteBuffer bytes = ByteBuffer.wrap(data);
                    Arithmetic.State state = job.start();
                    state.time = bytes.getLong();
                    state.count = bytes.getLong();
                    state.due = bytes.getLong();
                    bytes.asFloatBuffer().get(state.sums);
                    return state;
                });
    }

    /** Moves a user's state; publishes at once, or all that were touched once per interval. */
    private static final class Update implements Processor<byte[], byte[], byte[], byte[]> {
        private final Arithmetic job;
        private final Set<String> touched = new HashSet<>();
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<String, Arithmetic.State> states;

        Update(Arithmetic job) {
            this.job = job;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            states = context.getStateStore(STORE);
            if (job.intervalMs > 0) {
                Duration interval = Duration.ofMillis(job.intervalMs);
                context.schedule(interval, PunctuationType.WALL_CLOCK_TIME, this::publishTouched);
            }
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            try {
                Arithmetic.Event event = job.event(record.value());
                Arithmetic.State state = states.get(event.user);
                if (state == null) {
                    state = job.start();
                }
                job.move(state, event);
                states.put(event.user, state);
                if (job.intervalMs == 0) {
                    publish(event.user, state, record.timestamp());
                } else {
                    touched.add(event.user);
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        private void publishTouched(long time) {
            try {
                for (String user : touched) {
                    publish(user, states.get(user), time);
                }
                touched.clear();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        private void publish(String user, Arithmetic.State state, long time) throws IOException {
            byte[] key = user.getBytes(StandardCharsets.UTF_8);
            context.forward(new Record<>(key, job.record(user, state), time));
        }
    }
}
