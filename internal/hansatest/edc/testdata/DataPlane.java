import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.edc.connector.controlplane.asset.spi.domain.Asset;
import org.eclipse.edc.connector.controlplane.contract.spi.policy.ContractNegotiationPolicyContext;
import org.eclipse.edc.connector.controlplane.transfer.spi.flow.DataFlowController;
import org.eclipse.edc.connector.controlplane.transfer.spi.flow.DataFlowManager;
import org.eclipse.edc.connector.controlplane.transfer.spi.observe.TransferProcessListener;
import org.eclipse.edc.connector.controlplane.transfer.spi.observe.TransferProcessObservable;
import org.eclipse.edc.connector.controlplane.transfer.spi.observe.TransferProcessStartedData;
import org.eclipse.edc.connector.controlplane.transfer.spi.types.DataFlowResponse;
import org.eclipse.edc.connector.controlplane.transfer.spi.types.TransferProcess;
import org.eclipse.edc.policy.engine.spi.PolicyEngine;
import org.eclipse.edc.policy.engine.spi.RuleBindingRegistry;
import org.eclipse.edc.policy.model.Permission;
import org.eclipse.edc.policy.model.Policy;
import org.eclipse.edc.runtime.metamodel.annotation.Inject;
import org.eclipse.edc.spi.response.StatusResult;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;
import org.eclipse.edc.spi.types.domain.DataAddress;

/**
 * A data plane for the control plane, as small as can be. As provider it gives the file of its setting to who shows
 * the token of a transfer that runs, at /data/TRANSFER. As consumer it takes what a transfer gives when it is told to,
 * at /pull/TRANSFER, and answers with what it got. Beside that, nobody meets a policy that names a purpose.
 */
public class DataPlane implements ServiceExtension, DataFlowController {
    private final Map<String, String> tokens = new ConcurrentHashMap<>();
    private final Map<String, DataAddress> sources = new ConcurrentHashMap<>();
    private final HttpClient client = HttpClient.newHttpClient();
    private String here;
    @Inject
    private DataFlowManager flows;
    @Inject
    private TransferProcessObservable transfers;
    @Inject
    private PolicyEngine policies;
    @Inject
    private RuleBindingRegistry bindings;

    @Override
    public void initialize(ServiceExtensionContext context) {
        var file = Path.of(context.getSetting("hansa.data.file", ""));
        var port = Integer.parseInt(context.getSetting("hansa.data.port", "0"));
        here = "http://127.0.0.1:" + port;
        try {
            var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
            server.createContext("/data/", call -> give(call, file));
            server.createContext("/pull/", this::take);
            server.start();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        flows.register(100, this);
        refusePurposes();
        transfers.registerListener(new TransferProcessListener() {
            @Override
            public void started(TransferProcess transfer, TransferProcessStartedData data) {
                if (transfer.getType() == TransferProcess.Type.CONSUMER && data.getDataAddress() != null) {
                    sources.put(transfer.getId(), data.getDataAddress());
                }
            }
        });
    }

    private void refusePurposes() {
        var purpose = "http://www.w3.org/ns/odrl/2/purpose";
        bindings.bind("http://www.w3.org/ns/odrl/2/use", ContractNegotiationPolicyContext.NEGOTIATION_SCOPE);
        bindings.bind(purpose, ContractNegotiationPolicyContext.NEGOTIATION_SCOPE);
        policies.registerFunction(ContractNegotiationPolicyContext.class, Permission.class, purpose, (operator, right, rule, context) -> {
            context.reportProblem("the caller has no such purpose");
            return false;
        });
    }

    private void give(HttpExchange call, Path file) throws IOException {
        var token = tokens.get(last(call));
        if (token == null || !("Bearer " + token).equals(call.getRequestHeaders().getFirst("Authorization"))) {
            answer(call, 403, "no transfer that runs has this token".getBytes(StandardCharsets.UTF_8));
            return;
        }
        call.getResponseHeaders().set("Content-Type", "application/json");
        answer(call, 200, Files.readAllBytes(file));
    }

    private void take(HttpExchange call) throws IOException {
        var source = sources.get(last(call));
        if (source == null) {
            answer(call, 404, "the provider named no address".getBytes(StandardCharsets.UTF_8));
            return;
        }
        var request = HttpRequest.newBuilder(URI.create(of(source, "endpoint")));
        request.header("Authorization", "Bearer " + of(source, "authorization"));
        try {
            var got = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
            answer(call, got.statusCode(), got.body());
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static String of(DataAddress address, String name) {
        for (var one : address.getProperties().entrySet()) {
            if (one.getKey().equals(name) || one.getKey().endsWith("/" + name)) {
                return String.valueOf(one.getValue());
            }
        }
        throw new IllegalStateException("the address has no " + name + ": " + address.getProperties());
    }

    private static String last(HttpExchange call) {
        var path = call.getRequestURI().getPath();
        return path.substring(path.lastIndexOf('/') + 1);
    }

    private static void answer(HttpExchange call, int status, byte[] body) throws IOException {
        try (call) {
            call.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            call.getResponseBody().write(body);
        }
    }

    @Override
    public boolean canHandle(TransferProcess transfer) {
        return true;
    }

    @Override
    public StatusResult<DataFlowResponse> prepare(TransferProcess transfer, Policy policy) {
        return StatusResult.success(DataFlowResponse.Builder.newInstance().dataPlaneId("small").build());
    }

    @Override
    public StatusResult<DataFlowResponse> start(TransferProcess transfer, Policy policy) {
        var token = UUID.randomUUID().toString();
        tokens.put(transfer.getId(), token);
        var address = DataAddress.Builder.newInstance().type("HttpData")
                .property("endpoint", here + "/data/" + transfer.getId()).property("authorization", "Bearer " + token).build();
        return StatusResult.success(DataFlowResponse.Builder.newInstance().dataPlaneId("small").dataAddress(address).build());
    }

    @Override
    public StatusResult<Void> suspend(TransferProcess transfer) {
        tokens.remove(transfer.getId());
        return StatusResult.success();
    }

    @Override
    public StatusResult<Void> terminate(TransferProcess transfer) {
        return suspend(transfer);
    }

    @Override
    public Set<String> transferTypesFor(Asset asset) {
        return Set.of("HttpData-PULL");
    }
}
