import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Flink, in one process: a keyed function between Kafka source and sink. Arguments: the job's file, the state backend. */
public final class FlinkPeer {
    public static void main(String[] arguments) throws Exception {
        String file = arguments[0];
        Arithmetic job = new Arithmetic(file);
        StreamExecutionEnvironment flow =
                StreamExecutionEnvironment.getExecutionEnvironment(configuration(arguments[1], job.home));
        flow.enableCheckpointing(1000, CheckpointingMode.AT_LEAST_ONCE);
        flow.fromSource(source(file, job), WatermarkStrategy.noWatermarks(), "events")
                .keyBy(event -> event.user)
                .process(new Update(file))
                .sinkTo(sink(job));
        flow.execute(job.group);
    }

    private static Configuration configuration(String backend, String home) {
        Configuration chosen = new Configuration();
        chosen.setString("state.backend.type", backend);
        chosen.setString("execution.checkpointing.incremental", "true");
        chosen.setString("execution.checkpointing.storage", "filesystem");
        chosen.setString("execution.checkpointing.dir", Path.of(home, "checkpoints").toUri().toString());
        chosen.setString("io.tmp.dirs", home);
        // One task costs least CPU: two on these partitions would only hand the same work about.
        chosen.setString("parallelism.default", "1");
        chosen.setString("pipeline.object-reuse", "true");
        chosen.setString("taskmanager.memory.managed.size", "512m");
        // It is paused while its topic is filled.
        chosen.setString("heartbeat.timeout", "600000");
        return chosen;
    }

    private static KafkaSource<Arithmetic.Event> source(String file, Arithmetic job) {
        return KafkaSource.<Arithmetic.Event>builder()
                .setBootstrapServers(job.servers)
                .setTopics(job.input)
                .setGroupId(job.group)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new Reading(file))
                // Its default of 500 costs more.
                .setProperty("max.poll.records", "4000")
                .build();
    }

    private static KafkaSink<Tuple2<byte[], byte[]>> sink(Arithmetic job) {
        String topic = job.output;
        KafkaRecordSerializationSchema<Tuple2<byte[], byte[]>> records =
                (vector, context, time) -> new ProducerRecord<>(topic, vector.f0, vector.f1);
        // As our producer gathers records; acks=all and idempotence are its own choice.
        Properties properties = new Properties();
        properties.setProperty("linger.ms", "5");
        properties.setProperty("batch.size", "1000000");
        properties.setProperty("buffer.memory", "67108864");
        return KafkaSink.<Tuple2<byte[], byte[]>>builder()
                .setBootstrapServers(job.servers)
                .setKafkaProducerConfig(properties)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(records)
                .build();
    }

    /** A Kafka record as an event, parsed once. */
    private static final class Reading implements KafkaRecordDeserializationSchema<Arithmetic.Event> {
        private final String file;
        private transient Arithmetic job;

        Reading(String file) {
            this.file = file;
        }

        @Override
        public void open(DeserializationSchema.InitializationContext context) {
            job = new Arithmetic(file);
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Arithmetic.Event> out)
                throws IOException {
            out.collect(job.event(record.value()));
        }

        @Override
        public TypeInformation<Arithmetic.Event> getProducedType() {
            return TypeInformation.of(Arithmetic.Event.class);
        }
    }

    /** Moves a user's state; publishes at once, or once per interval by a timer. */
    private static final class Update
            extends KeyedProcessFunction<String, Arithmetic.Event, Tuple2<byte[], byte[]>> {
        private final String file;
        private transient Arithmetic job;
        private transient ValueState<Arithmetic.State> states;

        Update(String file) {
            this.file = file;
        }

        @Override
        public void open(OpenContext context) {
            job = new Arithmetic(file);
            states = getRuntimeContext().getState(new ValueStateDescriptor<>("interest", Arithmetic.State.class));
        }

        @Override
        public void processElement(Arithmetic.Event event, Context context, Collector<Tuple2<byte[], byte[]>> out)
                throws IOException {
            Arithmetic.State state = states.value();
            if (state == null) {
                state = job.start();
            }
            job.move(state, event);
            if (job.intervalMs == 0) {
                publish(event.user, state, out);
            } else if (state.due == 0) {
                // All users' intervals end together, which Flink says is cheapest.
                long now = context.timerService().currentProcessingTime();
                state.due = (now / job.intervalMs + 1) * job.intervalMs;
                context.timerService().registerProcessingTimeTimer(state.due);
            }
            states.update(state);
        }

        @Override
        public void onTimer(long time, OnTimerContext context, Collector<Tuple2<byte[], byte[]>> out)
                throws IOException {
            Arithmetic.State state = states.value();
            state.due = 0;
            publish(context.getCurrentKey(), state, out);
            states.update(state);
        }

        private void publish(String user, Arithmetic.State state, Collector<Tuple2<byte[], byte[]>> out)
                throws IOException {
            out.collect(Tuple2.of(user.getBytes(StandardCharsets.UTF_8), job.record(user, state)));
        }
    }
}
