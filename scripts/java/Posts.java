import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.io.ByteArrayInputStream;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Sends POSTs with Java's client as it is: it offers HTTP/2 with each of them (h2c), and sends none again that was lost.
 *
 * <pre>java Posts.java URL STATUS COUNT THREADS MEDIA-TYPE BODY length|chunks</pre>
 */
final class Posts {
    public static void main(String[] arguments) throws Exception {
        var url = URI.create(arguments[0]);
        int status = Integer.parseInt(arguments[1]), count = Integer.parseInt(arguments[2]);
        int threads = Integer.parseInt(arguments[3]);
        var client = HttpClient.newHttpClient();
        var answered = new AtomicInteger();
        var lost = new AtomicInteger();
        var pool = Executors.newFixedThreadPool(threads);
        for (int i = 0; i < count; i++) {
            pool.execute(() -> {
                try {
                    var request = HttpRequest.newBuilder(url).header("Content-Type", arguments[4]);
                    var answer = client.send(request.POST(body(arguments[5], arguments[6])).build(), BodyHandlers.ofString());
                    if (answer.statusCode() == status) {
                        answered.incrementAndGet();
                    } else if (lost.incrementAndGet() == 1) {
                        System.err.println(answer + ": " + answer.body());
                    }
                } catch (Exception failure) {
                    if (lost.incrementAndGet() == 1) {
                        System.err.println(failure);
                    }
                }
            });
        }
        pool.shutdown();
        boolean ended = pool.awaitTermination(5, TimeUnit.MINUTES);
        System.out.println(answered + " answered with " + status + ", " + lost + " lost");
        System.exit(ended && answered.get() == count ? 0 : 1);
    }

    private static BodyPublisher body(String text, String framing) {
        return framing.equals("chunks")
            ? BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(text.getBytes()))
            : BodyPublishers.ofString(text);
    }
}
