import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Properties;
import org.eclipse.dataspacetck.core.system.ConsoleMonitor;
import org.eclipse.dataspacetck.runtime.ConsoleResultWriter;
import org.eclipse.dataspacetck.runtime.TckRuntime;

/**
 * Runs all tests of the compatibility kit with the settings of the file that is named, and says in its last line
 * how many passed and failed. It exits with 1 unless all passed: the kit's own main does not.
 */
public class Kit {
    public static void main(String[] args) throws IOException {
        var settings = new Properties();
        try (var file = Files.newBufferedReader(Path.of(args[0]))) {
            settings.load(file);
        }
        settings.setProperty("dataspacetck.launcher", "org.eclipse.dataspacetck.dsp.system.DspSystemLauncher");
        var all = new HashMap<String, String>();
        for (var name : settings.stringPropertyNames()) {
            all.put(name, settings.getProperty(name));
        }
        var monitor = new ConsoleMonitor(false, false);
        var kit = TckRuntime.Builder.newInstance().monitor(monitor).properties(all)
                .addPackage("org.eclipse.dataspacetck.dsp.verification").build();
        var result = kit.execute();
        new ConsoleResultWriter(monitor).output(result);
        long failed = result.getTestsFailedCount() + result.getTestsAbortedCount();
        System.out.printf("%d passed, %d failed%n", result.getTestsSucceededCount(), failed);
        System.exit(failed == 0 && result.getTestsSucceededCount() > 0 ? 0 : 1);
    }
}
