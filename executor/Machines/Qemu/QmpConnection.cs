using System.Text;
using System.Text.Json;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// QEMU's machine protocol (docs/interop/qmp-spec.txt), as much of it as a start needs. Commands are served by the
/// main loop, which begins when the machine is complete: an answer means that all disks are open. That a character
/// device has connected means nothing of the kind, those come before the disks.
/// </summary>
internal sealed class QmpConnection
{
    private const int MaxLineBytes = 64 * 1024;

    /// <summary>Events may come between a command and its answer, never many while a machine starts.</summary>
    private const int MaxEvents = 100;

    private readonly Stream _stream;

    private QmpConnection(Stream stream) => _stream = stream;

    /// <summary>Reads the greeting and enters command mode. The stream stays the caller's.</summary>
    /// <exception cref="IOException">The stream ended or does not speak QMP.</exception>
    public static async Task<QmpConnection> OpenAsync(Stream stream, CancellationToken cancellationToken)
    {
        var connection = new QmpConnection(stream);
        var greeting = await connection.ReadLineAsync(cancellationToken);
        if (!HasMember(greeting, "QMP")) throw new IOException("QEMU's monitor did not greet with QMP.");
        await connection.ExecuteAsync("qmp_capabilities", cancellationToken);
        return connection;
    }

    /// <param name="command">One that takes no arguments.</param>
    /// <exception cref="IOException">The stream ended, or QEMU refused.</exception>
    public async Task ExecuteAsync(string command, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(Encoding.UTF8.GetBytes($"{{\"execute\":\"{command}\"}}\n"), cancellationToken);
        for (var lines = 0; lines < MaxEvents; lines++)
        {
            var line = await ReadLineAsync(cancellationToken);
            if (HasMember(line, "return")) return;
            if (HasMember(line, "error")) throw new IOException($"QEMU refused '{command}': {Encoding.UTF8.GetString(line).Trim()}");
        }

        throw new IOException($"QEMU's monitor did not answer '{command}'.");
    }

    private async Task<byte[]> ReadLineAsync(CancellationToken cancellationToken)
    {
        var line = new List<byte>(256);
        var one = new byte[1]; // A handful of short lines in a machine's life: not worth a buffer.
        while (line.Count < MaxLineBytes)
        {
            if (await _stream.ReadAsync(one, cancellationToken) == 0) throw new IOException("QEMU closed its monitor.");
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
