using System.Text;
using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Monitor.Api;
using RunnerVm.Vmm.Monitor.Api.Bodies;
using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>Bodies that were right once, changed: an action or a refusal that can be read, whatever they say.</summary>
public sealed class BodyPropertyTests
{
    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ",", ":", "\"", "null", "true", "false", "0", "-1", "1e400", "1.5", "9223372036854775808", "99999999999999999999999999", "\\ud800", "\\u0000", "\\", "\u00e9", "\0",
        "\"amount_mib\":5", "\"rate_limiter\":{\"ops\":{\"size\":1,\"refill_time\":1}}", "{\"a\":{\"a\":{\"a\":", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ];

    [Fact]
    public void A_changed_body_is_understood_or_refused_with_a_sentence()
    {
        var bodies = Bodies();
        int inputs = 0, understood = 0, refused = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            var random = new Random(seed);
            var (method, path, body) = bodies[random.Next(bodies.Count)];
            if (random.Next(20) == 0) path = bodies[random.Next(bodies.Count)].Path;
            inputs++;
            try
            {
                var parsed = ApiRoutes.Parse(new ApiRequest(method, path, Change(random, body)));
                understood++;
                return parsed.Action is not null;
            }
            catch (VmmFaultException fault)
            {
                refused++;
                var json = HttpResponse.Fault(fault.Message).Body!.Value;
                return fault.Message.Length is > 10 and < 1000 && JsonBody.Parse(json.Span, "a fault").GetProperty("fault_message").GetString() == fault.Message;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(100_000));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} bodies: {understood} understood, {refused} refused");
        Assert.True(understood > 1000 && refused > 1000);
    }

    [Fact]
    public void What_is_understood_can_be_shown_and_read_again()
    {
        var count = 0;
        foreach (var (method, path, body) in Bodies())
        {
            var action = ApiRoutes.Parse(new ApiRequest(method, path, body)).Action;
            byte[]? shown = action switch
            {
                VmmAction.InsertDrive drive => JsonBody.Write(writer => DriveBody.Write(writer, drive.Drive)),
                VmmAction.InsertNetworkInterface network => JsonBody.Write(writer => NetworkBody.Write(writer, network.Network)),
                VmmAction.SetVsock vsock => JsonBody.Write(writer => OtherBodies.Write(writer, vsock.Vsock with { VsockId = null })),
                VmmAction.SetBalloon balloon => JsonBody.Write(writer => BalloonBody.Write(writer, balloon.Balloon)),
                VmmAction.SetEntropy entropy => JsonBody.Write(writer => OtherBodies.Write(writer, entropy.Entropy)),
                _ => null,
            };
            if (shown is null) continue;
            var again = ApiRoutes.Parse(new ApiRequest(method, path, shown)).Action;
            Assert.Equal(action is VmmAction.SetVsock set ? new VmmAction.SetVsock(set.Vsock with { VsockId = null }) : action, again);
            count++;
        }

        Assert.True(count >= 8);
    }

    /// <summary>The requests of the golden files that carry a body, and are right.</summary>
    private static List<(RequestMethod Method, string Path, byte[] Body)> Bodies()
    {
        var bodies = new List<(RequestMethod, string, byte[])>();
        foreach (var file in new[] { "before-start.txt", "after-start.txt", "article.txt" })
        {
            foreach (var part in File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Api", "Golden", file)).Split("\n> ").Skip(1))
            {
                var (request, answer) = (part.Split("\n< ")[0], part.Split("\n< ")[1]);
                var (line, body) = (request.Split('\n')[0].Split(' '), request.Split('\n', 2));
                if (body.Length == 2 && answer.StartsWith("204", StringComparison.Ordinal))
                    bodies.Add((line[0] == "PUT" ? RequestMethod.Put : RequestMethod.Patch, line[1], Encoding.UTF8.GetBytes(body[1].Replace("\"rx_rate_limiter\": {}, ", "", StringComparison.Ordinal))));
            }
        }

        return bodies;
    }

    private static byte[] Change(Random random, byte[] body)
    {
        var bytes = body.ToList();
        for (var i = random.Next(0, 4); i > 0 && bytes.Count > 0; i--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.Skip(random.Next(bytes.Count)).Take(random.Next(1, 40)).ToList());
                    break;
                case 3:
                    ChangeNumber(random, bytes);
                    break;
                default:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
            }
        }

        return [.. bytes];
    }

    private static void ChangeNumber(Random random, List<byte> bytes)
    {
        var digit = bytes.FindIndex(random.Next(bytes.Count), static b => b is >= (byte)'0' and <= (byte)'9');
        if (digit >= 0) bytes.InsertRange(digit, Encoding.ASCII.GetBytes(random.NextInt64().ToString(System.Globalization.CultureInfo.InvariantCulture)[..random.Next(1, 10)]));
    }
}
