using System.Text;
using System.Text.Json;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// The opening of QEMU's machine protocol (docs/interop/qmp-spec.txt). Commands are served by the main loop, which
/// starts when the machine is complete; the answer to the first is thus the moment when all disks are open. The
/// connection of a character device says nothing: those are made before the disks.
/// </summary>
internal static class QmpGreeting
{
    private const int MaxLineBytes = 64 * 1024;
    private static readonly byte[] Capabilities = Encoding.UTF8.GetBytes("{\"execute\":\"qmp_capabilities\"}\n");

    /// <exception cref="IOException">The stream ended or does not speak QMP.</exception>
    public static async Task ExchangeAsync(Stream stream, CancellationToken cancellationToken)
    {
        var greeting = await ReadLineAsync(stream, cancellationToken);
        if (!HasMember(greeting, "QMP")) throw new IOException("QEMU's monitor did not greet with QMP.");
        await stream.WriteAsync(Capabilities, cancellationToken);

        // Events such as NIC_RX_FILTER_CHANGED may come first, never many at start.
        for (var lines = 0; lines < 100; lines++)
            if (HasMember(await ReadLineAsync(stream, cancellationToken), "return"))
                return;
        throw new IOException("QEMU's monitor did not answer its first command.");
    }

    private static async Task<byte[]> ReadLineAsync(Stream stream, CancellationToken cancellationToken)
    {
        var line = new List<byte>(256);
        var one = new byte[1]; // Two short lines in a machine's life: not worth a buffer.
        while (line.Count < MaxLineBytes)
        {
            if (await stream.ReadAsync(one, cancellationToken) == 0) throw new IOException("QEMU closed its monitor.");
            if (one[0] == (byte)'\n') return [.. line];
            line.Add(one[0]);
        }

        throw new IOException("QEMU's monitor sent an endless line.");
    }

    private static bool HasMember(byte[] line, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(name, out _);
        }
        catch (JsonException e)
        {
            throw new IOException("QEMU's monitor sent a line that is not JSON.", e);
        }
    }
}
