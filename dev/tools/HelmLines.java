import com.marcnuri.helm.Helm;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;

/**
 * Helm as a library, for many questions on one start of the JVM. A line in: the words of one question, with tabs between them. A line out:
 * "ok" or "failed", and what Helm says in base64. Ends with its input.
 *
 *   template KUBERNETES CHART RELEASE NAMESPACE VALUES_FILE…
 *   lint CHART
 */
class HelmLines {
  public static void main(String[] arguments) throws Exception {
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (var line = in.readLine(); line != null; line = in.readLine()) answer(line.split("\t"), System.out);
  }

  private static void answer(String[] words, PrintStream out) {
    try {
      switch (words[0]) {
        case "template" -> say(out, "ok", template(words));
        case "lint" -> {
          var result = new Helm(Path.of(words[1])).lint().strict().call();
          say(out, result.isFailed() ? "failed" : "ok", String.join("\n", result.getMessages()));
        }
        default -> say(out, "failed", "there is no question " + words[0]);
      }
    } catch (RuntimeException error) {
      say(out, "failed", String.valueOf(error.getMessage()));
    }
  }

  private static String template(String[] words) {
    var command =
        new Helm(Path.of(words[2])).template().withKubeVersion(words[1]).withName(words[3]).withNamespace(words[4]);
    for (var i = 5; i < words.length; i++) command.withValuesFile(Path.of(words[i]));
    return command.call();
  }

  private static void say(PrintStream out, String outcome, String text) {
    out.println(outcome + " " + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8)));
    out.flush();
  }
}
