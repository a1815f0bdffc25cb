using System.Net;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// What a job can try to reach, served in a process of its own inside a network namespace until its standard input
/// ends. Each request is a line on standard output. HTTP answers say at which address they were asked.
/// </summary>
internal static class EgressWorld
{
    public const string Outside = "outside";
    public const string Host = "host";
    public const int HostPort = 8099;
    public const int HttpPort = 80;

    private const int Block = 1 << 16;

    public static async Task ServeAsync(string place)
    {
        var port = place == Host ? HostPort : HttpPort;
        await using var http = new HttpServer(new(IPAddress.Any, port), AnswerAsync);
        await using var http6 = place == Host ? null : new HttpServer(new(IPAddress.IPv6Any, port), AnswerAsync);
        await using var dns = place == Host ? null : new DnsServer(new(IPAddress.Parse(EgressLab.Server), 53));
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is not null) { }
    }

    /// <summary>The bytes of /bytes/COUNT.</summary>
    public static byte[] Piece(long offset, int length)
    {
        var piece = new byte[length];
        for (var i = 0; i < length; i++) piece[i] = (byte)(((offset + i) * 2654435761) >> 13);
        return piece;
    }

    private static async Task AnswerAsync(HttpQuestion question, Stream to)
    {
        Console.WriteLine($"http {question.Local.Address} {question.Path}");
        if (question.Path.StartsWith("/bytes/", StringComparison.Ordinal))
        {
            var count = long.Parse(question.Path[7..]);
            await to.WriteAsync(HttpServer.Head(200, "application/octet-stream", count));
            for (var offset = 0L; offset < count; offset += Block) await to.WriteAsync(Piece(offset, (int)Math.Min(Block, count - offset)));
            return;
        }

        var address = question.Local.Address;
        await HttpServer.WriteAsync(to, 200, "text/plain", System.Text.Encoding.ASCII.GetBytes($"{question.Path} at {address}\n"));
    }
}
