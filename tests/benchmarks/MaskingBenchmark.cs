using System.Buffers;
using System.Text;
using RunnerVm.Logs;

namespace RunnerVm.Benchmarks;

/// <summary>The masker on what jobs print, and on what a job prints that wants to keep the host busy.</summary>
internal static class MaskingBenchmark
{
    private const int Size = 32 << 20;
    private const int Chunk = 32 << 10;
    private const int Rounds = 5;
    private const double Bound = 200;

    // A job that attacks its own log only slows itself; this keeps the slowdown linear.
    private const double HostileBound = 50;

    public static void Run(BenchmarkReport report)
    {
        byte[] log = BuildLog();
        string[] secrets = Secrets(30);
        var one = new SecretMasker(secrets[..1]);
        var thirty = new SecretMasker(secrets);
        Measure(report, "build log, no secrets", new SecretMasker([]), log);
        Measure(report, "build log, 1 secret", one, log);
        Measure(report, "build log, 30 secrets, all encodings", thirty, log);
        var keys = new SecretMasker(PrivateKeys(3));
        report.Figure("compile 3 private keys of 50 lines", Compile(() => keys = new SecretMasker(PrivateKeys(3))), "ms", 1000, higherIsBetter: false);
        report.Figure("compile 30 secrets", Compile(() => thirty = new SecretMasker(secrets)), "ms", 200, higherIsBetter: false);
        Measure(report, "build log, 3 private keys of 50 lines", keys, log);
        Measure(report, "build log with 30 secrets in it", thirty, Planted(log, secrets));
        Measure(report, "base64 text, 30 secrets", thirty, Random64());
        Measure(report, "near matches: secrets without their last byte", thirty, Repeated(secrets.Select(secret => secret[..^1])), HostileBound);
        Measure(report, "near matches: first four bytes of each secret", thirty, Repeated(secrets.Select(secret => secret[..4])), HostileBound);
        Measure(report, "near matches: bytes 2 to 5 of each secret", thirty, Repeated(secrets.Select(secret => secret[2..6])), HostileBound);
        Measure(report, "near matches: first six bytes of each secret", thirty, Repeated(secrets.Select(secret => secret[..6])), HostileBound);
        Measure(report, "nothing but secrets", thirty, Repeated(secrets), HostileBound);
        Measure(report, "periodic: 4,000 x 'a' and a 'b' against 'aaaa…'", new SecretMasker([new string('a', 4000) + "b"]), Repeated(["a"]), HostileBound);
    }

    private static void Measure(BenchmarkReport report, string what, SecretMasker masker, byte[] text, double bound = Bound)
    {
        var masked = new ArrayBufferWriter<byte>(4 * Chunk);
        report.Throughput(what, text.Length, Rounds, bound, () =>
        {
            MaskedStream stream = masker.Open();
            for (int at = 0; at < text.Length; at += Chunk)
            {
                masked.ResetWrittenCount();
                stream.Write(text.AsSpan(at, Math.Min(Chunk, text.Length - at)), masked);
            }

            stream.Complete(masked);
        });
    }

    private static double Compile(Action compile)
    {
        TimeSpan start = Environment.CpuUsage.TotalTime;
        compile();
        return (Environment.CpuUsage.TotalTime - start).TotalMilliseconds;
    }

    private static string[] PrivateKeys(int count)
    {
        var random = new Random(5);
        var line = new byte[48];
        return [.. Enumerable.Range(0, count).Select(_ => "-----BEGIN PRIVATE KEY-----\n" + string.Concat(Enumerable.Range(0, 50).Select(_ =>
        {
            random.NextBytes(line);
            return Convert.ToBase64String(line) + "\n";
        })) + "-----END PRIVATE KEY-----\n")];
    }

    private static byte[] BuildLog()
    {
        var random = new Random(1);
        string[] lines =
        [
            "npm http fetch GET 200 https://registry.npmjs.org/{0} {1}ms (cache miss)",
            "[{1}/4096] Building CXX object src/CMakeFiles/core.dir/{0}.cpp.o",
            "\u001b[32m✓\u001b[0m {0} handles an empty response body ({1} ms)",
            "   Compiling {0} v1.{1}.0 (/workspace/crates/{0})",
            "2026-03-14T09:26:53.{1}Z INFO  worker-{1} started task {0} with 4 threads",
            "src/{0}.c:{1}:14: warning: unused variable 'result' [-Wunused-variable]",
        ];
        return Fill(() => string.Format(null, lines[random.Next(lines.Length)] + "\n", Word(random), random.Next(4096)));
    }

    private static byte[] Planted(byte[] log, string[] secrets)
    {
        var random = new Random(2);
        byte[] text = (byte[])log.Clone();
        for (int at = 0; at < text.Length - 200; at += 1000 + random.Next(2000))
            Encoding.UTF8.GetBytes(secrets[random.Next(secrets.Length)]).CopyTo(text, at);
        return text;
    }

    private static byte[] Random64()
    {
        var random = new Random(3);
        var bytes = new byte[57];
        return Fill(() =>
        {
            random.NextBytes(bytes);
            return Convert.ToBase64String(bytes) + "\n";
        });
    }

    private static byte[] Repeated(IEnumerable<string> texts)
    {
        string all = string.Concat(texts);
        return Fill(() => all);
    }

    private static byte[] Fill(Func<string> next)
    {
        var text = new byte[Size];
        int length = 0;
        while (length < Size)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(next());
            int taken = Math.Min(bytes.Length, Size - length);
            bytes.AsSpan(0, taken).CopyTo(text.AsSpan(length));
            length += taken;
        }

        return text;
    }

    private static string[] Secrets(int count)
    {
        var random = new Random(4);
        return [.. Enumerable.Range(0, count).Select(index => (index % 3) switch
        {
            0 => "ghp_" + random.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 36),
            1 => random.GetString("ABCDEFabcdef0123456789!#$%&/+'\"<>", 20),
            _ => random.GetString("abcdefghijklmnopqrstuvwxyz", 9) + "://" + Word(random) + ":" + random.GetString("xyz0189+/", 24),
        })];
    }

    private static string Word(Random random) => random.GetString("etaoinshrdlucmfwyp", 3 + random.Next(8));
}
