import org.apache.datasketches.memory.Memory;
import org.apache.datasketches.tdigest.TDigestDouble;
import java.nio.file.*;
public class ReadDigest {
  public static void main(String[] arguments) throws Exception {
    TDigestDouble digest = TDigestDouble.heapify(Memory.wrap(Files.readAllBytes(Path.of(arguments[0]))));
    System.out.println(digest.getTotalWeight() + " " + digest.getMinValue() + " " + digest.getMaxValue());
    for (int at = 2; at < arguments.length; at++) System.out.println(digest.getRank(Double.parseDouble(arguments[at])));
    Files.write(Path.of(arguments[1]), digest.toByteArray());
  }
}
