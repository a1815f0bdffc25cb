using System.Text;
using System.Text.Json.Serialization;
using RunnerVm.Machines;

namespace RunnerVm.Leases.Warm;

/// <summary>
/// What is said on a pool's socket, a line each way: <c>take SNAPSHOT</c> is answered with <c>taken ID PID</c>, after which the
/// connection is the guest's stream, or with <c>none</c>; <c>watch ID</c> with a <see cref="PoolExit"/> once that machine is gone.
/// </summary>
internal static class PoolProtocol
{
    /// <summary>Name of the run folder; its lock makes the pool the only one of its data directory.</summary>
    public const string RunName = "pool";

    public const string SocketName = "socket";
    public const string Take = "take", Taken = "taken", None = "none", Watch = "watch";

    /// <summary>Longer than any line but an exit's.</summary>
    public const int LongestRequest = 128;

    /// <summary>Three bounded tails as JSON, each of whose bytes may become six.</summary>
    public const int LongestExit = 256 * 1024;

    /// <summary>Up to the line feed, byte by byte: what follows belongs to somebody else.</summary>
    /// <exception cref="IOException">It ended before, or is longer.</exception>
    public static async Task<string> ReadLineAsync(Stream stream, int longest, CancellationToken cancellationToken)
    {
        var line = new List<byte>();
        var one = new byte[1];
        while (true)
        {
            await stream.ReadExactlyAsync(one, cancellationToken);
            if (one[0] == '\n') return Encoding.UTF8.GetString([.. line]);
            if (line.Count == longest) throw new IOException($"A line of more than {longest} bytes came from the pool's socket.");
            line.Add(one[0]);
        }
    }

    public static ValueTask WriteLineAsync(Stream stream, string line, CancellationToken cancellationToken) =>
        stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken);
}

/// <summary>How a machine of the pool ended.</summary>
internal sealed record PoolExit(int ExitCode, string StandardError, string Console)
{
    public static PoolExit Of(MachineExit exit, Machine machine) => new(exit.ExitCode, exit.StandardError, machine.ConsoleTail);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(PoolExit))]
internal sealed partial class PoolJson : JsonSerializerContext;
