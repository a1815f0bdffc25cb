using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>The log of a job that writes as fast as it can, or faster than anybody reads.</summary>
public sealed class LogTests
{
    private const long MostMemoryKib = 200 * 1024;

    // No number of the log can hold it, so masking looks at every byte and changes none.
    private static readonly Dictionary<string, string> Secret = new() { ["TOKEN"] = "xyzzy-plugh-secret" };

    [Fact]
    public async Task A_flood_comes_out_whole_and_in_order_in_bounded_memory()
    {
        // About 30 MB, with --soak 500 MB.
        var last = Runner.Soak ? 57_000_000 : 4_100_000;
        var flood = await ReadAsync($"job: {{secrets: [TOKEN], steps: [{{run: seq 1 {last}}}], workspace: none}}", pauseAfter: null);
        Assert.Equal(0, flood.ExitCode);
        Assert.Equal(HashOfCount(last), flood.Hash);
        Assert.InRange(flood.PeakKib, 1, MostMemoryKib);
        TestContext.Current.TestOutputHelper?.WriteLine($"{flood.Bytes >> 20} MiB in {flood.Elapsed.TotalSeconds:0.0} s with the boot, peak {flood.PeakKib >> 10} MiB");
    }

    [Fact]
    public async Task A_reader_who_sleeps_stops_the_writer_and_fills_no_memory()
    {
        // The longest the guest had to wait for one of 60 pieces of 256 KiB, in milliseconds.
        const string Script = """
            longest=0
            for i in $(seq 60); do
              before=${EPOCHREALTIME/./}
              head -c 262144 /dev/zero
              took=$(( (${EPOCHREALTIME/./} - before) / 1000 ))
              if [ $took -gt $longest ]; then longest=$took; fi
            done
            echo "longest=$longest" >&2
            """;
        var pause = TimeSpan.FromSeconds(5);
        var read = await ReadAsync(
            $"job:\n  secrets: [TOKEN]\n  workspace: none\n  steps:\n  - run: |\n{Indent(Script)}", pauseAfter: 1 << 20, pause);
        Assert.Equal(0, read.ExitCode);
        Assert.Equal(60 * 262144, read.Bytes);
        Assert.InRange(read.PeakKib, 1, MostMemoryKib);
        var longest = int.Parse(read.Error.Split("longest=")[1].Split('\n')[0], CultureInfo.InvariantCulture);
        Assert.InRange(longest, (pause.TotalMilliseconds / 2) + 500, 60_000);
    }

    private sealed record Read(int ExitCode, long Bytes, string Hash, long PeakKib, string Error, TimeSpan Elapsed);

    private static async Task<Read> ReadAsync(string job, long? pauseAfter, TimeSpan pause = default)
    {
        using var folder = new TestFolder();
        folder.Write("job.yml", job);
        var start = Stopwatch.GetTimestamp();
        using var process = Runner.Start(folder.Path, ["exec", "job.yml", "--quiet"], Secret);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 16];
        var (bytes, peak) = (0L, 0L);
        while (await process.StandardOutput.BaseStream.ReadAsync(buffer) is var count and > 0)
        {
            hash.AppendData(buffer, 0, count);
            if (pauseAfter is { } at && bytes < at && bytes + count >= at) await Task.Delay(pause);
            bytes += count;
            peak = Math.Max(peak, PeakKib(process.Id));
        }

        await process.WaitForExitAsync();
        return new(process.ExitCode, bytes, Convert.ToHexString(hash.GetHashAndReset()), peak, await error, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>The most memory the process ever held, from "VmHWM:     12345 kB".</summary>
    private static long PeakKib(int pid)
    {
        try
        {
            var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(static line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0; // It has just ended.
        }
    }

    private static string HashOfCount(int last)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var text = new StringBuilder();
        for (var i = 1; i <= last; i++)
        {
            text.Append(i).Append('\n');
            if (text.Length < 1 << 16 && i < last) continue;
            hash.AppendData(Encoding.ASCII.GetBytes(text.ToString()));
            text.Clear();
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static string Indent(string script) => string.Concat(script.Split('\n').Select(static line => $"      {line}\n"));
}
