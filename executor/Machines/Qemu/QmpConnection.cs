using System.Text;
using System.Text.Json;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// QEMU's machine protocol (docs/interop/qmp-spec.txt), as much of it as starts and snapshots need. Commands are served by the
/// main loop, which begins when the machine is complete: an answer means that all disks are open. That a character
/// device has connected means nothing of the kind, those come before the disks.
/// </summary>
internal sealed class QmpConnection : IAsyncDisposable
{
    /// <summary>The argument of migrate-set-capabilities that leaves memory in shared files out of the stream; both sides must say it.</summary>
    public const string IgnoreShared = """{"capabilities":[{"capability":"x-ignore-shared","state":true}]}""";

    private const int MaxLineBytes = 64 * 1024;

    /// <summary>Events may come between a command and its answer, never many while a machine starts.</summary>
    private const int MaxEvents = 100;

    private readonly Stream _stream;
    private readonly byte[] _received = new byte[4096];
    private int _next, _end;

    private QmpConnection(Stream stream) => _stream = stream;

    /// <summary>Reads the greeting and enters command mode.</summary>
    /// <param name="stream">Owned from here on.</param>
    /// <exception cref="IOException">The stream ended or does not speak QMP.</exception>
    public static async Task<QmpConnection> OpenAsync(Stream stream, CancellationToken cancellationToken)
    {
        var connection = new QmpConnection(stream);
        try
        {
            var greeting = await connection.ReadLineAsync(cancellationToken);
            if (!HasMember(greeting, "QMP")) throw new IOException("QEMU's monitor did not greet with QMP.");
            await connection.ExecuteAsync("qmp_capabilities", cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>The argument of migrate and migrate-incoming for a Unix socket.</summary>
    public static string Uri(string socket) => $$"""{"uri":"unix:{{JsonEncodedText.Encode(socket)}}"}""";

    /// <param name="command">One that takes no arguments.</param>
    /// <exception cref="IOException">The stream ended, or QEMU refused.</exception>
    public Task ExecuteAsync(string command, CancellationToken cancellationToken) => ExecuteAsync(command, "{}", cancellationToken);

    /// <param name="arguments">A JSON object.</param>
    /// <exception cref="IOException">The stream ended, or QEMU refused.</exception>
    public async Task ExecuteAsync(string command, string arguments, CancellationToken cancellationToken) =>
        await AskAsync(command, arguments, cancellationToken);

    /// <summary>Two commands in one go: the second is on its way before the first is answered, and is carried out even where that was refused.</summary>
    /// <exception cref="IOException">The stream ended, or QEMU refused one of them.</exception>
    public async Task ExecuteAsync((string Command, string Arguments) first, (string Command, string Arguments) second, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(Encoding.UTF8.GetBytes(Line(first.Command, first.Arguments) + Line(second.Command, second.Arguments)), cancellationToken);
        await AnswerAsync(first.Command, cancellationToken);
        await AnswerAsync(second.Command, cancellationToken);
    }

    /// <summary>The whole answer of a command; the caller disposes it.</summary>
    /// <exception cref="IOException">The stream ended, or QEMU refused.</exception>
    public async Task<JsonDocument> QueryAsync(string command, CancellationToken cancellationToken) =>
        JsonDocument.Parse(await AskAsync(command, "{}", cancellationToken));

    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    private async Task<byte[]> AskAsync(string command, string arguments, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(Encoding.UTF8.GetBytes(Line(command, arguments)), cancellationToken);
        return await AnswerAsync(command, cancellationToken);
    }

    private static string Line(string command, string arguments) => $$"""{"execute":"{{command}}","arguments":{{arguments}}}""" + "\n";

    private async Task<byte[]> AnswerAsync(string command, CancellationToken cancellationToken)
    {
        for (var lines = 0; lines < MaxEvents; lines++)
        {
            var line = await ReadLineAsync(cancellationToken);
            if (HasMember(line, "return")) return line;
            if (HasMember(line, "error")) throw new IOException($"QEMU refused '{command}': {Encoding.UTF8.GetString(line).Trim()}");
        }

        throw new IOException($"QEMU's monitor did not answer '{command}'.");
    }

    private async Task<byte[]> ReadLineAsync(CancellationToken cancellationToken)
    {
        var line = new List<byte>(256);
        while (line.Count < MaxLineBytes)
        {
            if (_next == _end)
            {
                (_next, _end) = (0, await _stream.ReadAsync(_received, cancellationToken));
                if (_end == 0) throw new IOException("QEMU closed its monitor.");
            }

            var rest = _received.AsSpan(_next, _end - _next);
            var length = rest.IndexOf((byte)'\n');
            line.AddRange(length < 0 ? rest : rest[..length]);
            _next += length < 0 ? rest.Length : length + 1;
            if (length >= 0) return [.. line];
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
